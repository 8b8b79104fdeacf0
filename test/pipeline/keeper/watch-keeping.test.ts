import t, { type Test } from 'tap'
import { openApp } from '../../../pipeline/base/app.ts'
import { createWatchKeeping } from '../../../pipeline/keeper/watch-keeping.ts'
import { readConfig } from '../../../shared/config.ts'
import { MailError } from '../../../shared/error.ts'
import type { MailboxId, Provider } from '../../../shared/mailbox.ts'
import { connectMailbox } from '../../../shared/redis/mailboxes.ts'
import { noteUnwatched, readWatch } from '../../../shared/redis/watches.ts'
import { commandCount } from '../../faults/support.ts'
import { fakeMailbox } from '../../support/fake-mailbox.ts'
import { logTo } from '../../support/gateway.ts'
import { ANA } from '../../support/pipeline.ts'
import { startRedis } from '../../support/redis.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS
const BO: MailboxId = 'gmail:bo@example.com'
const redis = await startRedis()
t.teardown(() => redis.stop())
t.beforeEach(() => redis.client.flushall())

t.test('every mailbox is watched at once and renewed daily', async t => {
  const { keep, clock, asked, watch, reported } = await open(t, [ANA, BO])
  await keep(ours)
  t.same(asked(), { [ANA]: 1, [BO]: 1 })
  t.match(await watch(ANA), { expiresAt: clock.ms + 7 * DAY_MS, askedAt: clock.ms, failure: undefined, off: false })
  for (let hour = 0; hour < 7 * 24; hour += 1) {
    clock.ms += HOUR_MS
    await keep(ours)
  }
  const counts = asked()
  for (const name of [ANA, BO]) t.ok((counts[name] ?? 0) >= 7 && (counts[name] ?? 0) <= 10, `${name}: ${counts[name]}`)
  t.same(reported, [])
})

t.test('a mailbox connected later is watched within minutes', async t => {
  const { keep, clock, asked, connect } = await open(t, [ANA])
  await keep(ours)
  await connect(BO)
  clock.ms += 11 * MINUTE_MS
  await keep(ours)
  t.same(asked(), { [ANA]: 1, [BO]: 1 })
})

t.test('a failed renewal is retried hourly, it and the lapse are logged daily', async t => {
  const { keep, clock, asked, watch, reported, mailbox } = await open(t, [ANA])
  await keep(ours)
  const { expiresAt } = await watch(ANA)
  mailbox.before = () => {
    throw new MailError('unauthorized', 'the grant is gone; connect the mailbox again')
  }
  clock.ms += DAY_MS
  await keep(ours)
  t.match(reported, [/^error .*the grant is gone.*cannot renew the watch/])
  t.match(await watch(ANA), { expiresAt, failure: 'the grant is gone; connect the mailbox again' })
  for (let hour = 0; hour < 22; hour += 1) {
    clock.ms += HOUR_MS + 1
    await keep(ours)
  }
  t.equal(reported.length, 1, 'once a day')
  t.equal(asked()[ANA], 24)
  clock.ms += 7 * DAY_MS
  await keep(ours)
  t.equal(reported.length, 3)
  t.match(reported.at(-1), /^error .*the watch has lapsed; only safety polls/)
  mailbox.before = () => undefined
  clock.ms += 2 * HOUR_MS
  await keep(ours)
  t.match(await watch(ANA), { expiresAt: clock.ms + 7 * DAY_MS, failure: undefined })
  t.equal(reported.length, 3)
})

t.test('a failed watch does not block other mailboxes', async t => {
  const { keep, asked, watch, mailbox, reported } = await open(t, [ANA, BO])
  let first = true
  mailbox.before = () => {
    if (!first) return
    first = false
    throw new MailError('rejected', 'no')
  }
  await keep(ours)
  t.same(asked(), { [ANA]: 1, [BO]: 1 })
  t.match([await watch(ANA), await watch(BO)], [{ failure: 'no' }, { failure: undefined }])
  t.equal(reported.length, 1)
})

t.test('unwatched and parked mailboxes are skipped', async t => {
  const { keep, asked, app } = await open(t, [ANA, BO])
  await noteUnwatched(app.redis, app.keys, ANA)
  await app.redis.hset(app.keys.mailbox(BO), 'status', 'needs-reauth', 'statusReason', 'gone')
  await keep(ours)
  t.same(asked(), {})
})

t.test('a standby or idle keeper makes no calls', async t => {
  const { keep, clock, asked } = await open(t, [ANA])
  await keep(async () => false)
  t.same(asked(), {})
  await keep(ours)
  const before = await commandCount(redis)
  for (let minute = 0; minute < 9; minute += 1) {
    clock.ms += MINUTE_MS
    await keep(ours)
  }
  t.ok((await commandCount(redis)) - before <= 1)
  t.same(asked(), { [ANA]: 1 })
})

async function ours(): Promise<boolean> {
  return true
}

async function open(t: Test, names: readonly MailboxId[], providers: readonly Provider[] = ['gmail']) {
  const clock = { ms: Date.now() }
  const config = readConfig({ REDIS_PREFIX: 'watch', PARTITIONS: '2' })
  const app = { ...(await openApp(config, redis.url)), now: () => clock.ms }
  t.teardown(() => app.close())
  const connect = (name: MailboxId) => connectMailbox(app.redis, app.keys, name, 'history:1', clock.ms)
  for (const name of names) await connect(name)
  const reported: string[] = []
  const counts: Record<string, number> = {}
  const mailbox = fakeMailbox(500, () => clock.ms)
  const mailboxes = (name: MailboxId) => ({
    ...mailbox,
    watch: (call: Parameters<typeof mailbox.watch>[0]) => {
      counts[name] = (counts[name] ?? 0) + 1
      return mailbox.watch(call)
    },
  })
  const log = { ...logTo(reported), debug: () => undefined }
  const keep = createWatchKeeping(app, { providers, mailboxes, log })
  const watch = (name: MailboxId) => readWatch(app.redis, app.keys, name)
  return { keep, clock, asked: () => ({ ...counts }), watch, reported, mailbox, app, connect }
}
