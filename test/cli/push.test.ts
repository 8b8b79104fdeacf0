import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { createKeys } from '../../shared/redis/keys.ts'
import { startGmail } from '../../sim/gmail.ts'
import { testMail, testMailbox } from '../support/mail.ts'
import { inTurn, lastJson, run, start } from '../support/processes.ts'
import { startRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'

const ANA = 'gmail:ana@example.com'
const folder = await mkdtemp(join(tmpdir(), 'mailsluice-push-'))
const redis = await startRedis()
t.teardown(async () => {
  await redis.stop()
  await rm(folder, { recursive: true, force: true })
})

t.test('with a port, `up` receives pushes of its simulators', async t => {
  const environment = { DATA_DIR: join(folder, 'up'), GATEWAY_HOST: '127.0.0.1', SIM_TOKEN: 'a-secret-of-this-test' }
  const up = start(['up', '--port', '0'], environment)
  t.teardown(() => up.kill('SIGKILL'))
  await until(() => up.stdout().includes('Ctrl-C stops.'), 'it is up', 60_000)
  const [, port] =
    /Gateway +http:\/\/127\.0\.0\.1:(\d+) \(pushes go to \/gmail\/push and \/outlook\)/.exec(up.stdout()) ?? []
  t.match(await (await fetch(`http://127.0.0.1:${port}/readyz`)).json(), { ok: true })
  const watched = async () => {
    const { mailboxes } = lastJson(await inTurn(['status', '--json'], environment)) as {
      mailboxes: { watch: { state: string } }[]
    }
    return mailboxes.length === 2 && mailboxes.every(({ watch }) => watch.state.startsWith('until 20'))
  }
  await until(watched, 'the keeper has both mailboxes watched')
  const [, sim] = /simulated Gmail and Outlook at (http:\S+)/.exec(up.stdout()) ?? []
  const headers = { 'content-type': 'message/rfc822', authorization: `Bearer ${environment.SIM_TOKEN}` }
  const mail = testMail(1, 10).replace('<1@', '<pushed@')
  for (const side of ['control', 'control/graph']) {
    const url = `${sim}/${side}/mailboxes/ana@example.com/messages`
    t.ok((await fetch(url, { method: 'POST', headers, body: mail })).ok)
  }
  const pushed = async () => {
    const { runs } = lastJson(await inTurn(['runs', '--json'], environment)) as {
      runs: { mailbox: string; cause: string; listed: number }[]
    }
    const those = runs.filter(({ cause, listed }) => cause === 'push' && listed === 1)
    return new Set(those.map(({ mailbox }) => mailbox)).size === 2
  }
  t.ok(await until(pushed, 'the mail was pushed and listed on both sides'))
  up.kill('SIGTERM')
  t.equal((await up.exited).code, 0)
})

t.test('watch and unwatch call Gmail, and status shows the result', async t => {
  const sim = await startGmail({ profile: 'instant', mailboxes: [testMailbox('ana@example.com', 1, 1)] })
  t.teardown(() => sim.close())
  const environment = { REDIS_URL: redis.url, SIM_URL: sim.url, GMAIL_PUBSUB_TOPIC: 'projects/p/topics/gmail' }
  const words = await inTurn(['watch', ANA], environment)
  t.match(words, { code: 0, stdout: /gmail:ana@example.com: watched until 20\d\d-/ })
  t.match(sim.watches.of('ana@example.com'), { topicName: 'projects/p/topics/gmail' })
  t.match((await inTurn(['status'], environment)).stdout, /gmail:ana@example.com[^\n]*until 20\d\d-\d\d-\d\d/)
  t.match(lastJson(await inTurn(['unwatch', ANA, '--json'], environment)), { mailbox: ANA, watched: false })
  t.equal(sim.watches.of('ana@example.com'), undefined)
  t.match((await inTurn(['status'], environment)).stdout, /gmail:ana@example.com[^\n]*off/)
  const { GMAIL_PUBSUB_TOPIC: _, ...without } = environment
  t.match(await inTurn(['watch', ANA], without), { code: 2, stderr: /no topic is set; set GMAIL_PUBSUB_TOPIC/ })
})

t.test('status shows an expired watch and a failed renewal', async t => {
  const keys = createKeys('lapsed', 8)
  await redis.client.sadd(keys.mailboxes(keys.partitionOf(ANA)), ANA)
  await redis.client.hset(keys.mailbox(ANA), {
    connectedAt: '1',
    cursor: 'history:1',
    watchExpiresAt: '1',
    watchFailure: 'no grant',
  })
  const environment = { REDIS_URL: redis.url, REDIS_PREFIX: 'lapsed' }
  t.match((await inTurn(['status'], environment)).stdout, /expired; renewal failed: no grant/)
  t.match(lastJson(await inTurn(['status', '--json'], environment)), {
    mailboxes: [{ mailbox: ANA, watch: { state: 'expired; renewal failed: no grant', failure: 'no grant' } }],
  })
})

t.test('wrong use of the gateway ends with code 2 and one clear line', async t => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  t.teardown(() => taken.close())
  const address = taken.address()
  const port = typeof address === 'object' ? `${address?.port}` : ''
  const cases: [words: string[], environment: Record<string, string>, says: RegExp][] = [
    [['gateway', '--port', 'http'], {}, /whole number from 0 to 65535/],
    [['gateway', '--port', port], {}, /cannot listen on port \d+: it is in use; choose another with --port or PORT/],
    [['gateway'], { PORT: '99999' }, /PORT: "99999" is not allowed; use a port from 0 to 65535/],
    [['gateway'], { GMAIL_PUBSUB_TOPIC: 'gmail' }, /GMAIL_PUBSUB_TOPIC: "gmail" is not allowed; use a topic such as/],
    [['gateway'], { GMAIL_PUSH_SERVICE_ACCOUNT: 'me' }, /use the e-mail address of a service account/],
    [['gateway'], { GMAIL_PUSH_AUDIENCE: 'https://a' }, /GMAIL_PUSH_AUDIENCE is set but GMAIL_PUSH_SERVICE_ACCOUNT is/],
    [
      ['gateway'],
      {
        NODE_ENV: 'production',
        GMAIL_PUSH_AUDIENCE: 'https://a',
        GMAIL_PUSH_SERVICE_ACCOUNT: 'a@b.example',
        GMAIL_PUSH_CERTS_URL: 'http://a',
      },
      /GMAIL_PUSH_CERTS_URL must begin with https/,
    ],
    [['dead', 'list', '--stage', 'magic'], {}, /"magic" has no dead letters; use one of .*, gateway/],
  ]
  for (const [words, environment, says] of cases) {
    const finished = await run(words, { REDIS_URL: redis.url, GATEWAY_HOST: '127.0.0.1', ...environment }, 20_000)
    t.equal(finished.code, 2, `${words.join(' ')}: exit code 2 (${finished.stderr})`)
    t.match(finished.stderr, says)
    t.equal(finished.stdout, '')
    t.notMatch(finished.stderr, /\n\s+at /, 'no stack')
  }
})
