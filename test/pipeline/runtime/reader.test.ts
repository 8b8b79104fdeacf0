import t, { type Test } from 'tap'
import type { Log } from '../../../pipeline/base/log.ts'
import { startReader } from '../../../pipeline/runtime/reader.ts'
import { openRedis } from '../../../shared/redis/connect.ts'
import { createKeys } from '../../../shared/redis/keys.ts'
import { createQueue, type RawEntry } from '../../../shared/redis/queue.ts'
import { merge } from '../../../stages/merge.ts'
import { creditFor } from '../../faults/support.ts'
import { silent } from '../../support/log.ts'
import { redisFor } from '../../support/redis.ts'
import { until } from '../../support/until.ts'

const HOUR_MS = 3_600_000
const { server, redis } = await redisFor(t)

const keys = createKeys('test', 2)
const [partition = 'p00'] = keys.partitions
const live = keys.stream(partition, 'cached-messages', 'live')
const bulk = keys.stream(partition, 'cached-messages', 'bulk')

t.test('entries are read in order from both lanes and all partitions', async t => {
  const { got } = reading(t)
  await write(live, 3)
  await write(bulk, 2)
  await write(keys.stream('p01', 'fetched-messages', 'live'), 1)
  await until(() => got.length === 6, 'all are read')
  t.same(
    got.filter(({ key }) => key === live).map(({ text }) => text),
    ['0', '1', '2'],
  )
})

t.test('reading stays within the credit, and freed credit is used', async t => {
  const { got, reader, credit, capacity } = reading(t, { capacity: 10, leaseMs: HOUR_MS })
  await write(live, 100)
  await until(() => got.length >= capacity - 3, 'most of the credit is used')
  while (got.length < 100) {
    t.ok(credit.out().length <= capacity, `${credit.out().length} of ${capacity} are out`)
    const before = got.length
    reader.done(credit.out())
    await until(() => got.length > before, 'more is read')
  }
  t.equal(new Set(got.map(({ entryId }) => entryId)).size, 100)
})

t.test('each lane is read while the other is never empty', async t => {
  const { got, reader, credit } = reading(t, { capacity: 10, leaseMs: HOUR_MS })
  await write(live, 2000)
  await write(bulk, 2000)
  while (got.length < 1000) {
    const before = got.length
    reader.done(credit.out())
    await until(() => got.length > before, 'more is read')
  }
  const ofBulk = got.filter(({ key }) => key === bulk).length
  t.ok(ofBulk > 100 && ofBulk < 900, `${ofBulk} of ${got.length} were bulk`)
})

t.test('a lane without credit does not block the other', async t => {
  const { got, credit, reader } = reading(t, { capacity: 10 })
  await write(bulk, 100)
  await until(() => credit.room('bulk') === 0, 'bulk has no credit left')
  await write(live, 3)
  await until(() => got.filter(({ lane }) => lane === 'live').length === 3, 'live is read')
  const before = got.length
  reader.done(credit.out().filter(({ lane }) => lane === 'bulk'))
  await until(() => got.length > before, 'and bulk is read on when it has credit again')
})

t.test('entries of a lost read answer are read again', async t => {
  const { queue } = queueOf('me')
  await queue.createGroups()
  await write(live, 3)
  await queue.read(redis, [live], 10, undefined)
  const { got } = reading(t, { consumer: 'me', leaseMs: HOUR_MS })
  await until(() => got.length === 3, 'its own pending entries')
  t.same(
    got.map(({ text }) => text),
    ['0', '1', '2'],
  )
})

t.test('own pending entries that use up the credit stop all reads', async t => {
  const { queue } = queueOf('full')
  await queue.createGroups()
  await write(live, 20)
  await write(bulk, 20)
  await queue.read(redis, [live, bulk], 20, undefined)
  const errors: unknown[] = []
  const log = { ...silent, error: (facts: unknown) => errors.push(facts) } as Log
  const { got, reader, credit } = reading(t, { consumer: 'full', capacity: 8, leaseMs: HOUR_MS, log })
  while (got.length < 40) {
    const before = got.length
    await until(() => credit.room('live') + credit.room('bulk') === 0 || got.length === 40, 'both lanes are full')
    reader.done(credit.out())
    await until(() => got.length > before, 'its own entries are read on')
  }
  t.same(errors, [])
})

t.test('entries of another consumer are taken over after a lease, not before', async t => {
  const { queue } = queueOf('elsewhere:1:a')
  await queue.createGroups()
  await write(live, 3)
  await queue.read(redis, [live], 10, undefined)
  const begun = performance.now()
  const { got } = reading(t, { leaseMs: 700 })
  await until(() => got.length === 3, 'taken over')
  t.ok(performance.now() - begun >= 600, 'after its lease')
})

t.test('entries of a dead process of this host are taken over at once', async t => {
  const { queue } = queueOf('here:1:a')
  await queue.createGroups()
  await write(live, 3)
  await queue.read(redis, [live], 10, undefined)
  const { got } = reading(t, { leaseMs: HOUR_MS, isDead: consumer => consumer === 'here:1:a' })
  await until(() => got.length === 3, 'taken over')
  const consumers = (await redis.xinfo('CONSUMERS', live, 'merge')) as unknown[][]
  t.notOk(
    consumers.some(fields => fields.includes('here:1:a')),
    'the dead consumer is removed',
  )
})

t.test('a busy reader notices a dead process of its host before the lease expires', async t => {
  let isDead = false
  const { got } = reading(t, { leaseMs: HOUR_MS, isDead: consumer => isDead && consumer === 'here:1:a' })
  await until(async () => (await redis.exists(live)) === 1, 'reading')
  await write(live, 1)
  await until(() => got.length === 1, 'it is active')
  const [mine] = got
  await redis.xclaim(live, 'merge', 'here:1:a', 0, mine?.entryId ?? '')
  isDead = true
  await write(live, 1)
  const holder = async () => (await redis.xpending(live, 'merge', '-', '+', 10)) as [string, string][]
  await until(async () => (await holder()).every(([, consumer]) => consumer !== 'here:1:a'), 'taken over', 10_000)
  t.pass('within seconds of the last read')
})

t.test('a long-running entry stays with its consumer', async t => {
  const { got, queue } = reading(t, { leaseMs: HOUR_MS })
  await write(live, 1)
  await until(() => got.length === 1, 'read')
  const id = got[0]?.entryId ?? ''
  const idle = async () =>
    Number(((await redis.xpending(live, 'merge', '-', '+', 1)) as [string, string, number][])[0]?.[2])
  await until(async () => (await idle()) >= 60, 'it has been idle for a while')
  t.same(await queue.renewLease(live, [id]), [])
  t.ok((await idle()) < 60, 'its lease is renewed')
  await redis.xclaim(live, 'merge', 'other', 0, id)
  t.same(await queue.renewLease(live, [id]), [id], 'an entry that another took stays with the other')
  t.match(await redis.xpending(live, 'merge', '-', '+', 1), [[id, 'other']])
})

t.test('delayed work returns on time although the reader blocks for longer', async t => {
  const { got, reader, queue } = reading(t, { leaseMs: HOUR_MS })
  await until(async () => ((await redis.xinfo('GROUPS', live).catch(() => [])) as unknown[]).length === 1, 'reading')
  const dueAt = Date.now() + 400
  await redis.zadd(keys.delay(partition, 'merge'), dueAt, `${live}\nlater`)
  reader.expect(dueAt)
  await until(() => got.length === 1, 'promoted', 5000)
  t.ok(Date.now() >= dueAt, 'not early')
  t.same(
    got.map(({ key, text }) => [key, text]),
    [[live, 'later']],
  )
  t.equal(await queue.promote(), undefined)
})

t.test('pending entries of a stopped consumer can be taken over at once', async t => {
  const { got, reader, queue } = reading(t)
  await write(live, 3)
  await until(() => got.length === 3, 'read')
  reader.stop()
  t.equal(await queue.shutdown(), 3)
  const successor = reading(t, { leaseMs: HOUR_MS })
  await until(() => successor.got.length === 3, 'the successor has them')
})

t.test('a stream deleted under a blocked reader is read again when recreated', async t => {
  const { got } = reading(t)
  await write(live, 1)
  await until(() => got.length === 1, 'reading')
  await server.client.flushall()
  await write(live, 1)
  await until(() => got.length === 2, 'reading again')
  t.same(
    got.map(({ text }) => text),
    ['0', '0'],
  )
})

interface Settings {
  capacity?: number
  consumer?: string
  leaseMs?: number
  isDead?: (consumer: string) => boolean
  log?: Log
}

function reading(t: Test, settings: Settings = {}) {
  const { queue } = queueOf(settings.consumer ?? `test:${process.pid}:${Math.random()}`)
  const capacity = Math.max(settings.capacity ?? 60, queue.keys.length)
  const credit = creditFor(capacity)
  const reader = startReader({
    queue,
    connection: openRedis(server.url),
    credit,
    leaseMs: settings.leaseMs ?? 1000,
    isDead: settings.isDead ?? (() => false),
    now: Date.now,
    log: settings.log ?? silent,
  })
  const got: RawEntry[] = []
  reader.entries.subscribe(entry => got.push(entry))
  t.teardown(() => reader.stop())
  return { reader, queue, got, credit, capacity }
}

function queueOf(consumer: string) {
  const streams = merge.reads.map(({ name }) => name)
  return { queue: createQueue({ redis, keys, stage: 'merge', streams, consumer, now: Date.now }) }
}

async function write(stream: string, count: number): Promise<void> {
  const pipeline = redis.pipeline()
  for (let n = 0; n < count; n += 1) pipeline.xadd(stream, '*', 'envelope', `${n}`)
  await pipeline.exec()
}
