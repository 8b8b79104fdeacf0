import t from 'tap'
import { startJsRedis } from '../../../pipeline/embedded-redis/js-redis.ts'
import { connectRedis } from '../../../shared/redis/connect.ts'
import { createKeys } from '../../../shared/redis/keys.ts'
import { dropOutdated, dropOverfull, readUnread } from '../../../shared/redis/unread.ts'
import { clusterFor } from '../../support/redis.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const MB = 1024 * 1024
const { server, redis } = await clusterFor(t)

const keys = createKeys('test', 2)
const live = keys.stream('p00', 'analysis-tasks', 'live')
const bulk = keys.stream('p01', 'analysis-tasks', 'bulk')
const began = Date.now()
const text = 'x'.repeat(1000)
const always = { goesOn: async () => true }

t.test('without a group every task is unread, in all partitions and lanes', async t => {
  await write(live, 3, hours(2))
  await write(bulk, 4, hours(5))
  const unread = await read()
  t.match(unread, { tasks: 7, oldestAt: began - hours(5), nearlyFull: false })
  t.ok((unread.bytes ?? 0) > 7 * text.length, `${unread.bytes} bytes`)
})

t.test('the slowest group counts; acknowledged tasks do not', async t => {
  await write(live, 10, hours(2))
  await take(live, 'fast', 10)
  await redis.xack(live, 'fast', ...(await ids(live)))
  t.match(await read(), { tasks: 0, bytes: 0, oldestAt: undefined })
  await take(live, 'slow', 4)
  t.match(await read(), { tasks: 10 })
  const [first = '', second = ''] = await ids(live)
  await redis.xack(live, 'slow', first, second)
  const unread = await read()
  t.match(unread, { tasks: 8, oldestAt: began - hours(2) })
  t.ok((unread.bytes ?? 0) < (await whole(live)) * 0.85, 'acknowledged tasks do not count')
})

t.test('an old unread task keeps and counts all later ones', async t => {
  await write(live, 10, 4 * DAY_MS)
  await take(live, 'workers', 10)
  await redis.xack(live, 'workers', ...(await ids(live)).slice(1))
  t.match(await read(), { tasks: 1, bytes: await whole(live) })
})

t.test('the limit is a quarter of maxmemory, 256 MB, or the setting', async t => {
  t.equal((await read()).maxBytes, 256 * MB)
  await server.client.config('SET', 'maxmemory', `${80 * MB}`)
  t.teardown(() => server.client.config('SET', 'maxmemory', '0'))
  t.equal((await read()).maxBytes, 20 * MB)
  t.equal((await read({ maxBytes: 50_000 })).maxBytes, 50_000)
})

t.test('nearly full means four fifths', async t => {
  await write(live, 50, hours(1))
  const bytes = (await read()).bytes ?? 0
  t.equal((await read({ maxBytes: Math.ceil(bytes / 0.79) })).nearlyFull, false)
  t.equal((await read({ maxBytes: Math.floor(bytes / 0.81) })).nearlyFull, true)
})

t.test('above the limit the oldest tasks are dropped, with an event', async t => {
  await write(live, 150, hours(3))
  await write(bulk, 150, hours(1))
  const maxBytes = Math.ceil(((await read()).bytes ?? 0) * 0.75)
  const dropped = await dropOverfull(redis, keys, limits({ maxBytes }), always)
  t.ok(dropped >= 70 && dropped <= 110, `${dropped} were dropped`)
  t.same(await lengths(), [150 - dropped, 150], 'those of the older stream')
  t.equal((await ids(live))[0], `${began - hours(3)}-${dropped}`, 'the oldest of it')
  t.ok(((await read()).bytes ?? 0) <= maxBytes)
  t.equal(await reportDropped('TASK_MAX_BYTES'), dropped)
  t.equal(await dropOverfull(redis, keys, limits({ maxBytes }), always), 0, 'a repetition drops nothing')
})

t.test('no task is dropped for acknowledged ones or by an old keeper', async t => {
  await write(live, 100, hours(2))
  t.equal(await dropOverfull(redis, keys, limits({ maxBytes: 10 }), { ...always, goesOn: async () => false }), 0)
  await take(live, 'workers', 100)
  await redis.xack(live, 'workers', ...(await ids(live)))
  t.equal(await dropOverfull(redis, keys, limits({ maxBytes: 10 }), always), 0)
  t.same(await lengths(), [100, 0])
})

t.test('unread tasks are dropped only after their retention', async t => {
  await write(live, 150, 31 * DAY_MS)
  await write(live, 5, 29 * DAY_MS)
  t.equal(await dropOutdated(redis, keys, limits(), always), 150)
  t.same(await lengths(), [5, 0])
  t.equal(await reportDropped('TASK_RETENTION'), 150)
})

t.test('a dropped pending task blocks nothing', async t => {
  await write(live, 1, 31 * DAY_MS)
  await write(live, 3, 4 * DAY_MS)
  await take(live, 'workers', 4)
  await redis.xack(live, 'workers', ...(await ids(live)).slice(1))
  t.equal(await dropOutdated(redis, keys, limits(), always), 1)
  t.match(await read(), { tasks: 0, bytes: 0 })
  t.equal(((await redis.xpending(live, 'workers')) as [number])[0], 0)
})

t.test('a full Redis still drops tasks', async t => {
  await write(live, 50, 31 * DAY_MS)
  await server.client.config('SET', 'maxmemory', '1')
  t.teardown(() => server.client.config('SET', 'maxmemory', '0'))
  t.equal(await dropOutdated(redis, keys, limits(), always), 50)
})

t.test('the JavaScript Redis counts tasks without their size', async t => {
  const js = await startJsRedis()
  const client = await connectRedis(js.url)
  t.teardown(async () => {
    client.disconnect()
    await js.close()
  })
  await client.xadd(live, '*', 'envelope', text)
  await client.xadd(live, '*', 'envelope', text)
  t.match(await readUnread(client, keys, limits()), { tasks: 2, nearlyFull: false })
})

function read(given: { maxBytes?: number } = {}) {
  return readUnread(redis, keys, limits(given))
}

function limits({ maxBytes }: { maxBytes?: number } = {}) {
  return { retentionMs: 3 * DAY_MS, taskRetentionMs: 30 * DAY_MS, maxBytes }
}

function hours(count: number): number {
  return count * HOUR_MS
}

async function write(key: string, count: number, ageMs: number): Promise<void> {
  await Promise.all(Array.from({ length: count }, (_, n) => redis.xadd(key, `${began - ageMs}-${n}`, 'envelope', text)))
}

async function take(key: string, group: string, count: number): Promise<void> {
  await redis.xgroup('CREATE', key, group, '0')
  await redis.call('XREADGROUP', 'GROUP', group, 'me', 'COUNT', count, 'STREAMS', key, '>')
}

async function ids(key: string): Promise<string[]> {
  return (await redis.xrange(key, '-', '+')).map(([id]) => id)
}

async function lengths(): Promise<number[]> {
  return [await redis.xlen(live), await redis.xlen(bulk)]
}

async function whole(key: string): Promise<number> {
  return (await redis.call('MEMORY', 'USAGE', key, 'SAMPLES', '20')) as number
}

/** Returns how many tasks the events report as dropped for this reason. */
async function reportDropped(reason: string): Promise<number> {
  const events = await Promise.all(keys.partitions.map(one => redis.xrange(keys.mailboxEvents(one), '-', '+')))
  const reported = events.flat().map(([, [, event, , tasks, , why]]) => ({ event, tasks: Number(tasks), why }))
  return reported
    .filter(one => one.event === 'tasks-dropped' && one.why === reason)
    .reduce((sum, { tasks }) => sum + tasks, 0)
}
