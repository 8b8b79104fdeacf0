import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { LANES } from '../shared/envelope.ts'
import { createKeys } from '../shared/redis/keys.ts'
import { postWatchEvent } from '../shared/redis/mailboxes.ts'
import { STAGE_NAMES } from '../shared/stage.ts'
import { type GmailSimulator, startGmail } from '../sim/gmail.ts'
import { connect, sealingKey } from './support/consent.ts'
import { everything } from './support/keyspace.ts'
import { testMail, testMailbox } from './support/mail.ts'
import { startOAuth } from './support/oauth.ts'
import { lastJson, type Process, run, start } from './support/processes.ts'
import { startRedis, type TestRedis } from './support/redis.ts'
import { until } from './support/until.ts'

const ANA = 'gmail:ana@example.com'
const BO = 'gmail:bo@example.com'
const keys = createKeys('mailsluice', 1)

t.test('a grant that dies parks the mailbox, once and with an event; connected again, all of it goes on', async t => {
  const { oauth, sim, redis, environment } = await setUp(t)
  oauth.lifeSeconds = 2
  await connect(environment)
  const up = await startUp(t, environment)
  const told = await waitForTasks(redis, 0)

  oauth.revoke('ana@example.com')
  sim.deliver('ana@example.com', testMail(100, 101))
  await until(async () => {
    await push(redis)
    return (await record(redis)).status === 'needs-reauth'
  }, 'it waits for its account')
  t.match(await record(redis), { statusReason: /invalid_grant; connect the mailbox again/ })
  const events = await eventsOf(redis)
  t.same(events.filter(({ event }) => event === 'needs-reauth').length, 1)
  const refreshes = oauth.refreshes
  for (let round = 0; round < 3; round += 1) await push(redis)
  t.equal(oauth.refreshes, refreshes, 'nobody asks with a dead grant again')
  t.match((await run(['mailboxes'], environment)).stdout, /waits for its account: .*invalid_grant/)
  t.match(up.stderr(), /the mailbox needs its owner/)

  t.match(lastJson(await connect(environment)), { mailbox: ANA, new: false })
  await waitForTasks(redis, told)
  t.equal((await record(redis)).status, undefined)
  t.same(
    (await eventsOf(redis)).map(({ event }) => event),
    ['connected', 'needs-reauth', 'resumed'],
  )
  up.kill('SIGTERM')
  t.equal((await up.exited).code, 0)
})

t.test('a paused mailbox does nothing, keeps one watch event of many, and goes on when it is resumed', async t => {
  const { sim, redis, environment } = await setUp(t)
  await connect(environment)
  const up = await startUp(t, environment)
  const before = await waitForTasks(redis, 0)
  t.equal((await run(['pause', ANA], environment)).code, 0)
  t.match(await run(['sync', ANA], environment), {
    code: 2,
    stderr: /gmail:ana@example.com is paused: `mailsluice resume/,
  })
  sim.deliver('ana@example.com', testMail(100, 101))
  // What was believed a moment ago may still be done.
  await until(async () => {
    await push(redis)
    return (await redis.client.llen(keys.parked(ANA))) === 1
  }, 'an event is parked')
  const calls = sim.calls().total
  for (let round = 0; round < 3; round += 1) await push(redis)
  await until(async () => (await waitingIn(redis, 'watch-events')) === 0, 'all events were met')
  t.equal(await redis.client.llen(keys.parked(ANA)), 1, 'one is enough')
  t.equal(sim.calls().total, calls, 'Google is not asked')
  t.match((await run(['mailboxes'], environment)).stdout, /gmail:ana@example\.com .* paused/)

  t.match(lastJson(await run(['resume', ANA, '--json'], environment)), { mailbox: ANA, entries: 1 })
  await waitForTasks(redis, before)
  up.kill('SIGTERM')
  t.equal((await up.exited).code, 0)
  t.match(await run(['pause', 'gmail:nobody@example.com'], environment), { code: 2, stderr: /is not connected/ })
})

t.test(
  'a mailbox that is removed leaves nothing of its name, ids or mail; another is untouched; connected again, it is new',
  async t => {
    const { oauth, sim, redis, environment } = await setUp(t)
    await connect(environment)
    oauth.consents = { address: 'bo@example.com' }
    await connect(environment)
    const up = await startUp(t, environment)
    await waitForTasks(redis, 0, ANA)
    await waitForTasks(redis, 0, BO)
    await plantLeftovers(redis)
    const ofBo = await tasksOf(redis, BO)
    const others = (await everything(redis)).filter(text => text.includes(BO)).length

    t.match(await run(['remove', ANA], environment), { code: 2, stdout: '', stderr: /add --yes/ })
    t.ok((await everything(redis)).some(text => text.includes(ANA)))
    const removed = await run(['remove', ANA, '--yes', '--json'], environment)
    t.match(lastJson(removed), { mailbox: ANA, connected: true, access: 'taken back' }, removed.stderr)
    t.equal(oauth.revoked.length, 1)
    const mailOfAna = await idsOf(sim, 'ana@example.com')
    await until(
      async () => (await leftOf(redis, mailOfAna)).length === 0,
      'the stages have dropped what was waiting',
    ).catch(async () =>
      t.same(
        (await leftOf(redis, mailOfAna)).map(text => text.slice(0, 300)),
        [],
      ),
    )
    t.equal((await everything(redis)).filter(text => text.includes(BO)).length, others)
    t.same(await tasksOf(redis, BO), ofBo)

    await push(redis)
    oauth.consents = { address: 'ana@example.com' }
    t.match(lastJson(await connect(environment)), { mailbox: ANA, new: true })
    t.equal(await waitForTasks(redis, 0, ANA), 6, 'every thread is new again')
    up.kill('SIGTERM')
    await up.exited
  },
)

t.test('what still waits of a removed mailbox is dropped and counted, though the mailbox is there again', async t => {
  const { redis, environment } = await setUp(t)
  await connect(environment)
  const listing = start(['stage', 'list-ids'], environment)
  t.teardown(() => listing.kill('SIGKILL'))
  await until(async () => (await waitingIn(redis, 'message-ids')) === 30, 'ids wait for a stage that does not run')
  const removed = await run(['remove', ANA, '--yes', '--json'], environment)
  t.match(lastJson(removed), { waiting: 30 })
  t.match((await run(['remove', ANA, '--yes'], environment)).stdout, /was not connected.*\n30 entries still wait/)
  t.equal((await connect(environment)).code, 0)
  await until(async () => (await waitingIn(redis, 'message-ids')) === 60, 'it is listed anew')
  listing.kill('SIGTERM')
  await listing.exited

  const finished = await run(['up', '--once', '--json'], environment)
  t.match(lastJson(finished), { ok: true })
  const dropped = [...finished.stderr.matchAll(/"entries":(\d+),"msg":"dropped what was left/g)]
  t.equal(
    dropped.reduce((sum, [, count]) => sum + Number(count), 0),
    30,
  )
  t.equal((await tasksOf(redis, ANA)).length, 6)
})

t.test('accounts are sealed anew with a new key, and the old one is not needed any more', async t => {
  const { oauth, environment } = await setUp(t)
  await connect(environment)
  oauth.consents = { address: 'bo@example.com' }
  await connect(environment)
  const [old = '', anew] = [environment.MAILBOXES_KEY, sealingKey()]
  const both = { ...environment, MAILBOXES_KEY: `v2:${anew},v1:${old}` }
  const ends = await Promise.all([run(['rekey', '--json'], both), run(['rekey', '--json'], both)])
  t.same(
    ends.map(({ code }) => code),
    [0, 0],
  )
  for (const end of ends) t.match(lastJson(end), { key: 'v2', accounts: 2, failed: [] })
  t.match((await run(['rekey'], both)).stdout, /2 accounts, 0 of them sealed anew with key v2; no other key is needed/)
  t.match(await run(['up', '--once', '--json'], { ...environment, MAILBOXES_KEY: `v2:${anew}` }), { code: 0 })

  const wrong = { ...environment, MAILBOXES_KEY: `v3:${sealingKey()},v2:${sealingKey()}` }
  const failed = await run(['rekey'], wrong)
  t.equal(failed.code, 1)
  t.match(failed.stdout, /the account of gmail:ana@example\.com does not open with key v2 of MAILBOXES_KEY/)
  t.match(failed.stdout, /gmail:bo@example\.com/)
  t.notMatch(failed.stdout + failed.stderr, /planted/)
})

t.test('one mailbox whose key is wrong keeps no other from its mail, and the reason says so', async t => {
  const { oauth, redis, environment } = await setUp(t)
  await connect(environment)
  oauth.consents = { address: 'bo@example.com' }
  await connect({ ...environment, MAILBOXES_KEY: `v2:${sealingKey()}` })
  const finished = await run(['up', '--once', '--json'], environment)
  t.match(lastJson(finished), { ok: false })
  t.equal((await tasksOf(redis, ANA)).length, 6)
  t.match(await redis.client.hget(keys.mailbox(BO), 'statusReason'), /MAILBOXES_KEY does not hold v2/)
})

async function setUp(t: Test) {
  const redis = await startRedis()
  const sim = await startGmail({
    profile: 'instant',
    mailboxes: [testMailbox('ana@example.com', 30, 6), testMailbox('bo@example.com', 30, 6)],
  })
  const oauth = await startOAuth({ simUrl: sim.url })
  t.teardown(async () => {
    await oauth.close()
    await sim.close()
    await redis.stop()
  })
  const environment: Record<string, string> = {
    REDIS_URL: redis.url,
    PARTITIONS: '1',
    SIM_URL: oauth.url,
    LEASE_MS: '1000',
    MAILBOXES_KEY: sealingKey(),
    INITIAL_SYNC: 'all',
  }
  return { oauth, sim, redis, environment }
}

async function startUp(t: Test, environment: Record<string, string>): Promise<Process> {
  const up = start(['up'], environment)
  t.teardown(() => up.kill('SIGKILL'))
  await until(() => up.stdout().includes('Ctrl-C stops.'), 'it is up')
  return up
}

function push({ client }: TestRedis): Promise<string> {
  const run = `push-${randomUUID()}`
  return postWatchEvent(client, keys, ANA, { run, at: Date.now(), body: { cause: 'push' } })
}

async function record({ client }: TestRedis): Promise<Record<string, string>> {
  return client.hgetall(keys.mailbox(ANA))
}

async function eventsOf({ client }: TestRedis): Promise<Record<string, string>[]> {
  const entries = await client.xrange(keys.mailboxEvents('p00'), '-', '+')
  const events = entries.map(([, fields]) => fieldsOf(fields))
  return events.filter(({ mailbox }) => mailbox === ANA)
}

/** Waits until a mailbox has more tasks than that; how many it has. */
async function waitForTasks(redis: TestRedis, more: number, mailbox = ANA): Promise<number> {
  return until(async () => {
    const count = (await tasksOf(redis, mailbox)).length
    return count > more ? count : undefined
  }, `${mailbox} has more than ${more} tasks`)
}

async function tasksOf(redis: TestRedis, mailbox: string): Promise<string[]> {
  const tasks: string[] = []
  for (const lane of LANES) {
    const entries = await redis.client.xrange(keys.stream('p00', 'analysis-tasks', lane), '-', '+')
    const bodies = entries.map(([, [, text = '']]) => (JSON.parse(text) as { body: { task: string } }).body)
    tasks.push(...bodies.map(({ task }) => task).filter(task => task.startsWith(mailbox)))
  }
  return tasks.sort()
}

/** How many entries of a stream its stage has not acknowledged; all of them where it never ran. */
async function waitingIn({ client }: TestRedis, stream: string): Promise<number> {
  let count = 0
  for (const lane of LANES) {
    const key = keys.stream('p00', stream, lane)
    const [group] = ((await client.xinfo('GROUPS', key).catch(() => [])) as unknown[][]).map(fields => fieldsOf(fields))
    count += group ? Number(group.lag) + Number(group.pending) : await client.xlen(key)
  }
  return count
}

/** Work of Ana's in every place where work can wait or end. */
async function plantLeftovers({ client }: TestRedis): Promise<void> {
  for (const stage of STAGE_NAMES) {
    const of = {
      v: 1,
      id: `left/${stage}`,
      run: 'left',
      mailbox: ANA,
      at: 1,
      attempt: 0,
      lane: 'live',
      trace: 'left',
      body: {},
    }
    const text = JSON.stringify(of)
    const later = Date.now() + 3_600_000
    await client.zadd(keys.delay('p00', stage), later, `${keys.stream('p00', 'missing-ids', 'live')}\n${text}`)
    await client.xadd(
      keys.dead('p00', stage),
      '*',
      'envelope',
      text,
      'stage',
      stage,
      'stream',
      'missing-ids',
      'kind',
      'rejected',
    )
  }
  // A run that the index has forgotten.
  await client.hset(keys.run('p00', 'forgotten'), 'mailbox', ANA, 'startedAt', '1')
  await client.hset(keys.window('p00', 'forgotten', '1'), 'of', '1')
}

/** What Redis holds that names Ana's mailbox, or a message or thread in it. */
async function leftOf(redis: TestRedis, ids: ReadonlySet<string>): Promise<string[]> {
  const words = [ANA, 'forgotten', ...ids]
  return (await everything(redis)).filter(text => words.some(word => text.includes(word)))
}

async function idsOf(sim: GmailSimulator, address: string): Promise<Set<string>> {
  const form = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: `simulated:${address}` })
  const token = (await (await fetch(`${sim.url}/token`, { method: 'POST', body: form })).json()) as {
    access_token: string
  }
  const headers = { authorization: `Bearer ${token.access_token}` }
  const answer = await fetch(`${sim.url}/gmail/v1/users/me/messages?maxResults=500`, { headers })
  const { messages } = (await answer.json()) as { messages: { id: string; threadId: string }[] }
  return new Set(messages.flatMap(({ id, threadId }) => [id, threadId]))
}

function fieldsOf(flat: unknown[]): Record<string, string> {
  const pairs = flat.flatMap((field, at) => (at % 2 === 0 ? [[String(field), String(flat[at + 1])]] : []))
  return Object.fromEntries(pairs) as Record<string, string>
}
