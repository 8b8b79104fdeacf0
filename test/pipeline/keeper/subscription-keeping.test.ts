import t, { type Test } from 'tap'
import { openApp } from '../../../pipeline/base/app.ts'
import { createWatchKeeping } from '../../../pipeline/keeper/watch-keeping.ts'
import { readConfig } from '../../../shared/config.ts'
import { MailError } from '../../../shared/error.ts'
import type { MailboxId } from '../../../shared/mailbox.ts'
import { graphClient } from '../../../shared/outlook/client.ts'
import { watchMailbox } from '../../../shared/outlook/subscription.ts'
import { connectMailbox, pauseMailbox, resumeMailbox } from '../../../shared/redis/mailboxes.ts'
import { markDue, readDue, subscribersOf, subscriptionMemory } from '../../../shared/redis/subscriptions.ts'
import { noteUnwatched, readWatch } from '../../../shared/redis/watches.ts'
import { commandCount } from '../../faults/support.ts'
import { fakeMailbox } from '../../support/fake-mailbox.ts'
import { eventsOf, logTo } from '../../support/gateway.ts'
import { BO } from '../../support/graph-notifications.ts'
import { startGraphSubscriptions } from '../../support/graph-subscriptions.ts'
import { ANA } from '../../support/pipeline.ts'
import { startRedis } from '../../support/redis.ts'
import { http } from '../../support/surroundings.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS
const redis = await startRedis()
t.teardown(() => redis.stop())
t.beforeEach(() => redis.client.flushall())

t.test('only mailboxes of notifying providers are watched', async t => {
  const { round, graph, counts, connect } = await open(t)
  await connect(ANA)
  await round()
  t.equal(graph.kept.size, 1)
  t.same(counts, { [BO]: 1 })
})

t.test('a recreated subscription requests a sync, a renewed one does not', async t => {
  const { round, graph, clock, app, held, reported } = await open(t)
  await round()
  t.equal(graph.kept.size, 1)
  t.match(await eventsOf(app, BO), [{ body: { cause: 'poll' } }])
  for (let hour = 0; hour < 6 * 24; hour += 1) {
    clock.ms += HOUR_MS
    await round()
  }
  t.equal(graph.kept.size, 1)
  t.ok(graph.asked.filter(line => line.startsWith('PATCH')).length >= 6, 'a day or less apart')
  t.equal((await eventsOf(app, BO)).length, 1)
  graph.kept.clear()
  clock.ms += DAY_MS
  await round()
  t.ok(graph.kept.has((await held()) ?? ''))
  t.equal((await eventsOf(app, BO)).length, 2, 'it was deleted without a notice')
  t.same(reported, [])
})

t.test('a subscription to reauthorise is renewed once, in the next round', async t => {
  const { round, graph, clock, app, held } = await open(t)
  await round()
  const id = (await held()) ?? ''
  await markDue(app.redis, app.keys, id, 'renew')
  clock.ms += MINUTE_MS
  await round()
  t.same(graph.asked.slice(1), [`PATCH /v1.0/subscriptions/${id}`])
  t.same(await readDue(app.redis, app.keys), [])
  clock.ms += MINUTE_MS
  await round()
  t.equal(graph.asked.length, 2)
  t.equal((await eventsOf(app, BO)).length, 1, 'nothing was lost')
})

t.test('a removed subscription is recreated in the next round, with a sync', async t => {
  const { round, graph, clock, app, held } = await open(t)
  await round()
  const id = (await held()) ?? ''
  await markDue(app.redis, app.keys, id, 'removed')
  clock.ms += MINUTE_MS
  await round()
  t.ok(graph.asked.every(line => line.startsWith('POST')))
  t.equal(graph.asked.length, 2)
  t.not(await held(), id)
  t.equal((await eventsOf(app, BO)).length, 2)
  const owners = await subscribersOf(app.redis, app.keys, [id, (await held()) ?? ''])
  t.same([...owners.values()], [BO], 'the old one is nobody’s')
  // Graph may repeat the notice, which is not about the new subscription.
  await markDue(app.redis, app.keys, id, 'removed')
  clock.ms += MINUTE_MS
  await round()
  t.equal(graph.asked.length, 2)
  t.equal(await redis.client.exists(app.keys.subscriptionsDue), 0)
})

t.test('a failed renewal stays marked, is retried in minutes, and logged once', async t => {
  const { round, graph, clock, app, mailbox, held, reported, watch } = await open(t)
  await round()
  const before = await watch()
  mailbox.before = () => {
    throw new MailError('unavailable', 'Graph is away')
  }
  await markDue(app.redis, app.keys, (await held()) ?? '', 'removed')
  const tried = () => mailbox.calls.length
  const first = tried()
  for (let minute = 0; minute < 11; minute += 1) {
    clock.ms += MINUTE_MS
    await round()
  }
  t.equal(tried() - first, 3, 'not every minute')
  t.equal(reported.length, 1)
  t.match(await watch(), { expiresAt: before.expiresAt, failure: 'Graph is away' })
  mailbox.before = () => undefined
  clock.ms += 5 * MINUTE_MS
  await round()
  t.same(await readDue(app.redis, app.keys), [])
  t.match(await watch(), { failure: undefined })
  t.equal(graph.kept.size, 2, 'the one Graph had forgotten, and the new one')
})

t.test('a mark waits for a parked mailbox, and is dropped for unwatched ones', async t => {
  const { round, graph, clock, app, held } = await open(t)
  const { redis: client, keys } = app
  await round()
  const id = (await held()) ?? ''
  await pauseMailbox(client, keys, BO, clock.ms)
  await markDue(client, keys, id, 'renew')
  clock.ms += MINUTE_MS
  await round()
  t.equal(graph.asked.length, 1)
  await resumeMailbox(client, keys, BO, { unpause: true, now: Date.now() })
  await round()
  t.equal(graph.asked.length, 2)
  await markDue(client, keys, id, 'renew')
  await noteUnwatched(client, keys, BO)
  await round()
  await markDue(client, keys, 'of nobody', 'removed')
  await round()
  await markDue(client, keys, id, 'renew')
  await client.del(keys.mailbox(BO))
  await round()
  t.equal(graph.asked.length, 2)
  t.equal(await client.exists(keys.subscriptionsDue), 0)
})

t.test('a lapsed subscription is logged, and recreated when Graph answers', async t => {
  const { round, clock, mailbox, reported, app } = await open(t)
  await round()
  mailbox.before = () => {
    throw new MailError('unavailable', 'Graph is away')
  }
  clock.ms += 8 * DAY_MS
  await round()
  t.match(reported, [/^error .*cannot renew the watch/, /^error .*the watch has lapsed; only safety polls/])
  mailbox.before = () => undefined
  clock.ms += 2 * HOUR_MS
  await round()
  t.equal(reported.length, 2)
  t.equal((await eventsOf(app, BO)).length, 1, 'it was prolonged: Graph had kept it after all')
})

t.test('a round without marks costs one command, and none on standby', async t => {
  const { round, clock, app, held, keep, graph } = await open(t)
  await round()
  const before = await commandCount(redis)
  for (let minute = 0; minute < 9; minute += 1) {
    clock.ms += MINUTE_MS
    await round()
  }
  t.ok((await commandCount(redis)) - before <= 10)
  await markDue(app.redis, app.keys, (await held()) ?? '', 'renew')
  await keep(async () => false)
  t.equal(graph.asked.length, 1)
  t.equal((await readDue(app.redis, app.keys)).length, 1)
})

async function open(t: Test) {
  const graph = await startGraphSubscriptions()
  t.teardown(() => graph.close())
  const clock = { ms: Date.now() }
  const now = () => clock.ms
  const config = readConfig({ REDIS_PREFIX: 'subscriptions', PARTITIONS: '2' })
  const app = { ...(await openApp(config, redis.url)), now }
  t.teardown(() => app.close())
  const connect = (name: MailboxId) => connectMailbox(app.redis, app.keys, name, 'history:1', clock.ms)
  await connect(BO)
  const reported: string[] = []
  const counts: Record<string, number> = {}
  const mailbox = fakeMailbox(500, now)
  const tokens = { get: async () => 'token', refused: async () => false }
  const client = graphClient({ tokens, rootUrl: graph.rootUrl, http })
  const memory = subscriptionMemory(app.redis, app.keys, BO)
  const urls = { notificationUrl: 'https://m.example.com/n', lifecycleUrl: 'https://m.example.com/l' }
  const mailboxes = (name: MailboxId) => ({
    ...mailbox,
    async watch(call: Parameters<typeof mailbox.watch>[0]) {
      counts[name] = (counts[name] ?? 0) + 1
      await mailbox.watch(call)
      return watchMailbox({ name, client, user: '/me', memory, now }, { ...urls, clientState: 'state' }, call)
    },
  })
  const log = { ...logTo(reported), debug: () => undefined }
  const keep = createWatchKeeping(app, { providers: ['outlook'], mailboxes, log })
  return {
    keep,
    round: () => keep(async () => true),
    clock,
    counts,
    graph,
    mailbox,
    app,
    reported,
    connect,
    watch: () => readWatch(app.redis, app.keys, BO),
    held: async () => (await memory.read())?.id,
  }
}
