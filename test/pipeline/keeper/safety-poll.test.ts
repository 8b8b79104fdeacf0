import t, { type Test } from 'tap'
import { openApp } from '../../../pipeline/base/app.ts'
import { createSafetyPoll, pollEveryMs } from '../../../pipeline/keeper/safety-poll.ts'
import { readConfig } from '../../../shared/config.ts'
import type { MailboxId } from '../../../shared/mailbox.ts'
import { connectMailbox } from '../../../shared/redis/mailboxes.ts'
import { commandCount } from '../../faults/support.ts'
import { fakeMailbox } from '../../support/fake-mailbox.ts'
import { eventsOf, logTo } from '../../support/gateway.ts'
import { ANA, startPipeline } from '../../support/pipeline.ts'
import { startRedis } from '../../support/redis.ts'

const MINUTE_MS = 60_000
const EVERY_MS = 30 * MINUTE_MS
// The latest due time of any poll.
const LATEST_MS = 1.2 * EVERY_MS
const BO: MailboxId = 'outlook:bo@example.com'
const redis = await startRedis()
t.teardown(() => redis.stop())
t.beforeEach(() => redis.client.flushall())

t.test('a mailbox without a recent sync is polled, and its mail arrives', async t => {
  const mailbox = fakeMailbox()
  const pipeline = await startPipeline(redis, mailbox)
  t.teardown(() => pipeline.stop())
  await pipeline.sync()
  mailbox.deliver(3)
  const clock = { ms: Date.now() }
  const app = { ...pipeline.app, now: () => clock.ms }
  const poll = createSafetyPoll(app, { everyMs: EVERY_MS, roundMs: MINUTE_MS, log: logTo([]) })
  await poll(ours)
  t.equal((await pipeline.quiet()).length, 1, 'it was synced just now')
  clock.ms += LATEST_MS
  await poll(ours)
  const [run] = await pipeline.quiet()
  t.match(run, { cause: 'poll', listed: 3, tasks: 3 })
})

t.test('without safety polls, an old cursor is still verified', async t => {
  t.equal(pollEveryMs(readConfig({})), EVERY_MS)
  t.equal(pollEveryMs(readConfig({ SAFETY_POLL_MINUTES: '0' })), 24 * 60 * MINUTE_MS)
  t.equal(pollEveryMs(readConfig({ SAFETY_POLL_MINUTES: '0', CACHE_SYNC_TOKEN_TTL: '3600' })), 60 * MINUTE_MS)
  t.equal(pollEveryMs(readConfig({ CACHE_SYNC_TOKEN_TTL: '600' })), 10 * MINUTE_MS)
})

t.test('a recently synced mailbox is not polled', async t => {
  const { poll, clock, app } = await open(t, [ANA])
  clock.ms += LATEST_MS
  await app.redis.hset(app.keys.mailbox(ANA), 'cursorAt', `${clock.ms - MINUTE_MS}`)
  await poll(ours)
  t.same(await eventsOf(app), [])
})

t.test('an unanswered poll is repeated only after the interval', async t => {
  const { poll, clock, app } = await open(t, [ANA])
  clock.ms += LATEST_MS
  for (let n = 0; n < 5; n += 1) {
    await poll(ours)
    clock.ms += MINUTE_MS
  }
  t.equal((await eventsOf(app)).length, 1)
  clock.ms += LATEST_MS
  await poll(ours)
  t.equal((await eventsOf(app)).length, 2)
})

t.test('a safety poll replaces a lost notification of either provider', async t => {
  const { poll, clock, app } = await open(t, [ANA, BO])
  clock.ms += LATEST_MS
  for (let round = 0; round < 2; round += 1) await poll(ours)
  for (const name of [ANA, BO]) t.match(await eventsOf(app, name), [{ mailbox: name, body: { cause: 'poll' } }])
})

t.test('two active keepers request one run', async t => {
  const { poll, clock, app } = await open(t, [ANA])
  const other = createSafetyPoll(app, { everyMs: EVERY_MS, roundMs: MINUTE_MS, log: logTo([]) })
  clock.ms += LATEST_MS
  await Promise.all([poll(ours), other(ours)])
  t.equal((await eventsOf(app)).length, 1)
})

t.test('a standby keeper requests nothing', async t => {
  const { poll, clock, app } = await open(t, [ANA])
  clock.ms += LATEST_MS
  await poll(async () => false)
  t.same(await eventsOf(app), [])
})

t.test('a parked mailbox is not polled', async t => {
  const { poll, clock, app } = await open(t, [ANA])
  await app.redis.hset(app.keys.mailbox(ANA), 'status', 'needs-reauth', 'statusReason', 'gone')
  clock.ms += LATEST_MS
  await poll(ours)
  t.same(await eventsOf(app), [])
})

t.test('polls due together are spread over time', async t => {
  const names = Array.from({ length: 120 }, (_, n): MailboxId => `gmail:m${n}@example.com`)
  const { poll, clock, app } = await open(t, names)
  clock.ms += 10 * EVERY_MS
  const asked = async () => (await Promise.all(names.map(name => eventsOf(app, name)))).map(events => events.length)
  const total = async () => (await asked()).filter(count => count > 0).length
  await poll(ours)
  t.equal(await total(), 4, 'a thirtieth a minute')
  for (let minute = 1; minute < 30; minute += 1) {
    clock.ms += MINUTE_MS
    await poll(ours)
  }
  t.equal(await total(), 120)
  t.ok((await asked()).every(count => count === 1))
})

t.test('no Redis commands are sent until a poll is due', async t => {
  const { poll, clock } = await open(t, [ANA, BO])
  await poll(ours)
  const before = await commandCount(redis)
  for (let minute = 0; minute < 25; minute += 1) {
    clock.ms += MINUTE_MS
    await poll(ours)
  }
  // The count itself is one command.
  t.ok((await commandCount(redis)) - before <= 1)
})

async function ours(): Promise<boolean> {
  return true
}

async function open(t: Test, mailboxes: readonly MailboxId[]) {
  const clock = { ms: Date.now() }
  const config = readConfig({ REDIS_PREFIX: 'poll', PARTITIONS: '2' })
  const app = { ...(await openApp(config, redis.url)), now: () => clock.ms }
  t.teardown(() => app.close())
  for (const mailbox of mailboxes) {
    await connectMailbox(app.redis, app.keys, mailbox, 'history:1', clock.ms)
    await app.redis.hset(app.keys.mailbox(mailbox), 'cursorAt', `${clock.ms}`)
  }
  const poll = createSafetyPoll(app, { everyMs: EVERY_MS, roundMs: MINUTE_MS, log: logTo([]) })
  return { poll, clock, app }
}
