import t from 'tap'
import { STAGE_NAMES } from '../../shared/stage.ts'
import { startGmail } from '../../sim/gmail.ts'
import { memoryMailbox } from '../../sim/mailbox.ts'
import { connect, sealingKey } from '../support/consent.ts'
import { everything } from '../support/keyspace.ts'
import { startOAuth } from '../support/oauth.ts'
import { inTurn, start } from '../support/processes.ts'
import { startRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'

const ANA = 'gmail:ana@example.com'
const MAILS = 30

const mail = (number: number) =>
  [
    'From: Planted Person <planted.person@example.net>',
    'To: Ana <ana@example.com>',
    'Cc: planted.cc@example.net',
    `Subject: Planted subject ${number}`,
    `Message-ID: <planted-${number}@example.net>`,
    '',
    `Planted body ${number}, which is short enough to be its own snippet.`,
  ].join('\r\n')

t.test('no token, secret or mail leaks into logs or Redis', async t => {
  const redis = await startRedis()
  const mails = Array.from({ length: MAILS }, (_, number) => ({ raw: mail(number) }))
  const sim = await startGmail({ profile: 'instant', mailboxes: [memoryMailbox('ana@example.com', mails)] })
  const oauth = await startOAuth({ simUrl: sim.url })
  t.teardown(async () => {
    await oauth.close()
    await sim.close()
    await redis.stop()
  })
  const environment = {
    REDIS_URL: redis.url,
    SIM_URL: oauth.url,
    GMAIL_CLIENT_ID: 'client',
    GMAIL_CLIENT_SECRET: 'planted-client-secret',
    MAILBOXES_KEY: sealingKey(),
    INITIAL_SYNC: 'all',
    PARTITIONS: '1',
    LOG_LEVEL: 'trace',
    MAX_ATTEMPTS: '2',
    LEASE_MS: '1000',
  }
  oauth.lifeSeconds = 2
  const output: string[] = []
  const command = async (...words: string[]) => {
    const { stdout, stderr } = await inTurn(words, environment)
    output.push(stdout, stderr)
  }
  const connected = await connect(environment)
  output.push(connected.stdout, connected.stderr)
  const stages = [...STAGE_NAMES.map(name => ['stage', name]), ['keeper']].map(words => start(words, environment))
  t.teardown(() => {
    for (const stage of stages) stage.kill('SIGKILL')
  })
  await command('sync', ANA, '--json')

  // Every possible failure of an account or a mail occurs too.
  sim.faults.set({ seed: 1, rates: { 'server-error': 0.3, reset: 0.2, 'part-error': 0.3, truncated: 0.3 } })
  sim.deliver('ana@example.com', mail(100))
  await command('push', ANA)
  oauth.refreshing = { status: 503, error: 'backend_error' }
  await until(() => oauth.refreshes > 1, 'the endpoint fails')
  oauth.refreshing = 'grants'
  oauth.revoke('ana@example.com')
  sim.deliver('ana@example.com', mail(101))
  await until(async () => {
    await command('push', ANA)
    return (await everything(redis)).some(text => text.includes('needs-reauth'))
  }, 'the mailbox waits for its account')
  for (const words of [
    ['status'],
    ['mailboxes', '--json'],
    ['runs'],
    ['dead', 'list'],
    ['rekey'],
    ['explain', 'nothing'],
  ]) {
    await command(...words)
  }
  const contents = await everything(redis)
  await command('remove', ANA, '--yes')
  for (const stage of stages) stage.kill('SIGTERM')
  for (const { stdout, stderr } of await Promise.all(stages.map(({ exited }) => exited))) output.push(stdout, stderr)

  const mine = [
    ...oauth.refreshTokens,
    ...oauth.accessTokens,
    environment.GMAIL_CLIENT_SECRET,
    environment.MAILBOXES_KEY,
  ]
  t.ok(oauth.refreshTokens.length > 0 && oauth.accessTokens.length > 1, 'there were secrets')
  const logs = output.join('\n')
  t.match(logs, /Sync metrics - gmail: 30 messages/)
  t.match(logs, /invalid_grant/)
  for (const secret of mine) t.notOk(logs.includes(secret), 'a secret is in the logs')
  t.notMatch(logs, /planted[ .-]/i)

  const isExpected = (text: string) => /^mailsluice:\{p00\}:(msg:|s:analysis-tasks)/.test(text)
  const expectedMail = contents.filter(isExpected).filter(text => /planted/i.test(text))
  t.ok(expectedMail.length > MAILS, 'mail is where it belongs')
  for (const secret of mine)
    t.notOk(
      contents.some(text => text.includes(secret)),
      'a secret is in Redis',
    )
  const leaks = contents.filter(text => !isExpected(text) && /planted/i.test(text))
  t.same(
    leaks.map(text => text.slice(0, 200)),
    [],
  )
})
