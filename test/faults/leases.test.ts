import t from 'tap'
import { fetchedMessages } from '../../shared/streams.ts'
import { fakeMailbox } from '../support/fake-mailbox.ts'
import { ANA, startPipeline, type TestPipeline } from '../support/pipeline.ts'
import { startRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'
import { doubles, isIntact, startReading } from './support.ts'
import { type Provider, startWorker } from './worker.ts'

const LEASE_MS = 600
const OTHERS = ['list-ids', 'cache-filter', 'merge', 'thread-group', 'ai-dispatch'] as const
const redis = await startRedis()
t.teardown(() => redis.stop())
t.beforeEach(() => redis.client.flushall())

t.test('a process suspended past its lease writes nothing', async t => {
  const { pipeline, worker } = await withWorker(t, 'silent')
  await pipeline.request()
  await until(() => worker.asked() === 1, 'it works')
  worker.kill('SIGSTOP')
  pipeline.start(['batch-fetch'])
  await pipeline.quiet()
  const before = await pipeline.read(fetchedMessages)
  worker.turn('answers')
  worker.kill('SIGCONT')
  await until(() => worker.said().some(text => text.startsWith('another consumer had taken over')), 'it was refused')
  t.same(await pipeline.read(fetchedMessages), before)
  await isIntact(t, pipeline, { messages: 20, tasks: 4 })
})

t.test('a process blocked past its lease writes nothing', async t => {
  const { pipeline, worker } = await withWorker(t, { busyMs: 4 * LEASE_MS })
  await pipeline.request()
  await until(() => worker.asked() === 1, 'it works')
  pipeline.start(['batch-fetch'])
  await pipeline.quiet()
  const before = await pipeline.read(fetchedMessages)
  await until(() => worker.said().some(text => text.startsWith('another consumer had taken over')), 'it was refused')
  t.same(await pipeline.read(fetchedMessages), before)
  await isIntact(t, pipeline, { messages: 20, tasks: 4 })
})

t.test('a resumed process does not reclaim work, and one of two writes', async t => {
  const { pipeline, worker, mailbox } = await withWorker(t, 'silent')
  let open = () => {}
  const gate = new Promise<void>(resolve => {
    open = resolve
  })
  let taken = 0
  mailbox.before = async kind => {
    if (kind !== 'fetch') return
    taken += 1
    await gate
  }
  await pipeline.request()
  await until(() => worker.asked() === 1, 'it works')
  const [before] = await owners(pipeline)
  worker.kill('SIGSTOP')
  pipeline.start(['batch-fetch'])
  await until(() => taken === 1, 'another has taken over')
  const [heir, ...others] = await owners(pipeline)
  t.same(others, [])
  t.not(heir, before)
  worker.kill('SIGCONT')
  const seen = new Set<string>()
  const begun = performance.now()
  await until(async () => {
    for (const owner of await owners(pipeline)) seen.add(owner)
    return performance.now() - begun > 2 * LEASE_MS
  }, 'both have renewed what they hold, several times')
  t.same([...seen], [heir], 'it stays with who took it')
  worker.turn('answers')
  open()
  await pipeline.quiet()
  await isIntact(t, pipeline, { messages: 20, tasks: 4 })
})

t.test('two consumers with one name process each entry once', async t => {
  const one = await startReading(t, redis, { consumer: 'test:same', leaseMs: 300 })
  const two = await startReading(t, redis, { consumer: 'test:same', leaseMs: 300 })
  let acked = 0
  for (let round = 0; round < 20; round += 1) {
    await one.write(one.live, 20)
    await until(() => one.got.length + two.got.length >= 20 * (round + 1), 'read')
    for (const counts of await Promise.all([one.finish(), two.finish()])) acked += counts
  }
  await until(async () => {
    acked += (await one.finish()) + (await two.finish())
    return acked >= 400
  }, 'all is done')
  t.equal(acked, 400)
  t.equal(new Set([...one.got, ...two.got].map(({ entryId }) => entryId)).size, 400)
})

t.test('a consumer deleted while reading continues to read', async t => {
  const { got, live, bulk, write, finish, credit } = await startReading(t, redis, { consumer: 'test:me', capacity: 10 })
  await write(live, 3)
  await until(() => got.length === 3, 'read')
  await finish()
  const remove = () => redis.client.xgroup('DELCONSUMER', live, 'merge', 'test:me')
  await until(async () => Number(await remove()) === 0, 'deleted with nothing in work')
  await write(live, 3)
  await until(() => got.length === 6, 'still reading')
  t.equal(await remove(), 3, 'deleted with its work')
  t.equal(await finish(), 0, 'which is refused when it is done')
  t.equal(credit.out().length, 0, 'and whose credit is free again')
  await write(bulk, 60)
  const emptier = setInterval(() => void finish(), 10)
  t.teardown(() => clearInterval(emptier))
  await until(() => got.length === 66, 'still reading')
})

t.test('two consumers take over a long pending list, each entry once', async t => {
  const dead = await startReading(t, redis, { leaseMs: 60_000, capacity: 12_000 })
  await dead.write(dead.live, 3000)
  await until(() => dead.got.length === 3000, 'read')
  dead.reader.stop()
  const leaseMs = 1500
  await until(async () => (await oldestIdle(dead.live)) > leaseMs, 'its lease has expired')
  const heirs = [
    await startReading(t, redis, { leaseMs, capacity: 40 }),
    await startReading(t, redis, { leaseMs, capacity: 40 }),
  ]
  const emptier = setInterval(() => {
    for (const { finish } of heirs) void finish()
  }, 5)
  t.teardown(() => clearInterval(emptier))
  const taken = () => heirs.flatMap(({ got }) => got.map(({ entryId }) => entryId))
  await until(() => taken().length >= 3000, 'all is taken over', 6000)
  t.same(doubles(taken()), [])
  t.equal(taken().length, 3000)
  t.ok(
    heirs.every(({ got }) => got.length > 0),
    'both have some',
  )
})

t.test('ten thousand due entries return once each', async t => {
  const readers = [await startReading(t, redis), await startReading(t, redis)]
  const [{ live, bulk, keys }] = readers as [(typeof readers)[number]]
  const dueAt = Date.now() + 300
  const pipeline = redis.client.pipeline()
  for (let n = 0; n < 10_000; n += 1)
    pipeline.zadd(keys.delay('p00', 'merge'), dueAt, `${n % 2 === 0 ? live : bulk}\n${n}`)
  await pipeline.exec()
  for (const { reader } of readers) reader.expect(dueAt)
  const emptier = setInterval(() => {
    for (const { finish } of readers) void finish()
  }, 5)
  t.teardown(() => clearInterval(emptier))
  const texts = () => readers.flatMap(({ got }) => got.map(({ text }) => String(text)))
  await until(() => texts().length >= 10_000, 'all are back')
  t.same(doubles(texts()), [])
  t.equal(await redis.client.xlen(live), 5000)
  t.equal(await redis.client.xlen(bulk), 5000)
  t.equal(await redis.client.zcard(keys.delay('p00', 'merge')), 0)
})

async function withWorker(t: Parameters<typeof startWorker>[0], provider: Provider) {
  const mailbox = fakeMailbox()
  const pipeline = await startPipeline(redis, mailbox, { only: OTHERS, settings: { LEASE_MS: `${LEASE_MS}` } })
  t.teardown(() => pipeline.stop())
  mailbox.deliver(20, 4)
  const { REDIS_PREFIX, PARTITIONS } = pipeline.app.config
  const settings = { REDIS_PREFIX, PARTITIONS: `${PARTITIONS}`, LEASE_MS: `${LEASE_MS}` }
  const worker = await startWorker(t, { settings, url: redis.url, messages: 20, threads: 4, provider })
  return { mailbox, pipeline, worker }
}

/** Returns the consumers of batch-fetch's pending entries. */
async function owners({ app: { keys } }: TestPipeline): Promise<string[]> {
  const key = keys.stream(keys.partitionOf(ANA), 'missing-ids', 'bulk')
  const entries = (await redis.client.xpending(key, 'batch-fetch', '-', '+', 1000)) as [string, string][]
  return [...new Set(entries.map(([, consumer]) => consumer))]
}

async function oldestIdle(key: string): Promise<number> {
  const [entry] = (await redis.client.xpending(key, 'merge', '-', '+', 1)) as [string, string, number][]
  return entry?.[2] ?? 0
}
