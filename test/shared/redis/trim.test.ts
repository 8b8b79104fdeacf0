import t from 'tap'
import { STAGES } from '../../../pipeline/base/stages.ts'
import { startJsRedis } from '../../../pipeline/embedded-redis/js-redis.ts'
import { connectRedis } from '../../../shared/redis/connect.ts'
import { createKeys } from '../../../shared/redis/keys.ts'
import { trimPartition, workStreams } from '../../../shared/redis/trim.ts'
import { STREAMS } from '../../../shared/streams.ts'
import { redisFor } from '../../support/redis.ts'

const HOUR_MS = 3_600_000
// One entry a node: what is trimmed in whole nodes is trimmed exactly, and at most a hundred a call.
const { server, redis } = await redisFor(t, '--stream-node-max-entries', '1')

const keys = createKeys('test', 2)
const stream = keys.stream('p00', 'message-ids', 'live')
const tasks = keys.stream('p00', 'analysis-tasks', 'live')
const group = 'cache-filter'

t.test('what every group is done with goes, once the retention is over', async t => {
  await write(stream, [hoursAgo(5), hoursAgo(4), hoursAgo(2)])
  await done(stream, group, 3)
  t.same(await trim(3 * HOUR_MS), { removed: 2, held: [] })
  t.same(await ids(stream), [hoursAgo(2)])
  t.match(await trim(HOUR_MS), { removed: 1 })
})

t.test('nothing within the retention goes, done or not', async t => {
  await write(stream, [hoursAgo(2), hoursAgo(1)])
  await done(stream, group, 2)
  t.match(await trim(3 * HOUR_MS), { removed: 0 })
  t.equal(await redis.xlen(stream), 2)
})

t.test('nothing that is pending goes, nor what came after it', async t => {
  await write(stream, [hoursAgo(5), hoursAgo(4), hoursAgo(3)])
  await read(stream, group, 3)
  await redis.xack(stream, group, hoursAgo(5), hoursAgo(3))
  await trim(HOUR_MS)
  t.same(await ids(stream), [hoursAgo(4), hoursAgo(3)])
  await redis.xack(stream, group, hoursAgo(4))
  await trim(HOUR_MS)
  t.same(await ids(stream), [])
})

t.test('nothing that is unread goes', async t => {
  await write(stream, [hoursAgo(5), hoursAgo(4), hoursAgo(3)])
  await done(stream, group, 1)
  await trim(HOUR_MS)
  t.same(await ids(stream), [hoursAgo(4), hoursAgo(3)])
})

t.test('a group that was set back reads again what is still there', async t => {
  await write(stream, [hoursAgo(5), hoursAgo(4), hoursAgo(3)])
  await read(stream, group, 3)
  await redis.xack(stream, group, hoursAgo(5), hoursAgo(4))
  await redis.xgroup('SETID', stream, group, '0')
  t.match(await trim(HOUR_MS), { removed: 0 })
})

t.test('the slowest group decides, and one that nobody expects is told of', async t => {
  await write(stream, [hoursAgo(5), hoursAgo(4), hoursAgo(3)])
  await done(stream, group, 3)
  await done(stream, 'forgotten', 1)
  const { removed, held } = await trim(HOUR_MS)
  t.equal(removed, 1)
  t.match(held, [{ stream, group: 'forgotten', ageMs: Number }])
  const hours = (held[0]?.ageMs ?? 0) / HOUR_MS
  t.ok(hours >= 4 && hours < 4.1, `the oldest entry it keeps is ${hours} hours old`)
  t.match(await redis.xinfo('GROUPS', stream), { length: 2 }, 'it is not destroyed')
})

t.test('a foreign group that keeps up, or is behind within the retention, is not told of', async t => {
  await write(stream, [hoursAgo(5), hoursAgo(1)])
  await done(stream, group, 2)
  await done(stream, 'audit', 1)
  t.same(await trim(2 * HOUR_MS), { removed: 1, held: [] })
  await redis.xgroup('DESTROY', stream, 'audit')
  await done(stream, 'idle', 1)
  t.same((await trim(2 * HOUR_MS)).held, [], 'it was last read long ago, and nothing has come since')
})

t.test('a stream whose stage never came is left alone', async t => {
  await write(stream, [hoursAgo(5)])
  await done(stream, 'some-other', 1)
  t.match(await trim(HOUR_MS), { removed: 0 })
})

t.test('tasks go once every group of their workers is done with them; without a group they stay', async t => {
  await write(tasks, [hoursAgo(5), hoursAgo(4), hoursAgo(1)])
  t.match(await trim(HOUR_MS), { removed: 0 })
  await redis.xgroup('CREATE', tasks, 'workers', '0')
  t.match(await trim(2 * HOUR_MS), { removed: 0, held: [{ stream: tasks, group: 'workers' }] })
  await done(tasks, 'workers', 2)
  t.same(await trim(2 * HOUR_MS), { removed: 2, held: [] })
  t.same(await ids(tasks), [hoursAgo(1)])
})

t.test('more than one call removes is removed, and sequence numbers too long for a double are told apart', async t => {
  const ms = hoursAgo(5).split('-')[0]
  await write(
    stream,
    Array.from({ length: 350 }, (_, n) => `${ms}-${n}`),
  )
  const [big, bigger] = [`${ms}-18446744073709551600`, `${ms}-18446744073709551601`]
  await write(stream, [big, bigger])
  await done(stream, group, 352)
  await redis.xgroup('SETID', stream, group, big)
  await trim(HOUR_MS)
  t.same(await ids(stream), [big, bigger], 'the last that was read may stay, the next must')
})

t.test('aborted, it stops after the call that is under way', async t => {
  await write(
    stream,
    Array.from({ length: 350 }, (_, n) => hoursAgo(5, n)),
  )
  await done(stream, group, 350)
  const { removed } = await trimPartition(redis, keys, 'p00', {
    stages: STAGES,
    retentionMs: HOUR_MS,
    signal: AbortSignal.abort(),
  })
  t.ok(removed > 0 && removed < 350, `${removed} were removed`)
})

t.test('a full Redis is trimmed all the same', async t => {
  await write(stream, [hoursAgo(5)])
  await done(stream, group, 1)
  await server.client.config('SET', 'maxmemory', '1')
  t.teardown(() => server.client.config('SET', 'maxmemory', '0'))
  await t.rejects(redis.set('a', 'b'), /OOM/)
  t.match(await trim(HOUR_MS), { removed: 1 })
})

t.test('every stream that work is handed over in is trimmed, in both lanes, and nothing else', t => {
  const found = workStreams(keys, 'p01', STAGES)
  t.same(
    found.map(({ key }) => key),
    STREAMS.flatMap(({ name }) => [`test:{p01}:s:${name}`, `test:{p01}:s:${name}:bulk`]),
  )
  t.same(found.filter(({ groups }) => groups.length === 0).length, 2, 'only tasks have no reader of ours')
  t.end()
})

t.test('in one partition only', async t => {
  const other = keys.stream('p01', 'message-ids', 'live')
  await write(other, [hoursAgo(5)])
  await done(other, group, 1)
  t.match(await trim(HOUR_MS), { removed: 0 })
})

t.test('the JavaScript Redis understands the script', async t => {
  const js = await startJsRedis()
  const client = await connectRedis(js.url)
  t.teardown(async () => {
    client.disconnect()
    await js.close()
  })
  await client.xadd(stream, '1-1', 'envelope', '')
  await client.xgroup('CREATE', stream, 'forgotten', '0')
  const { held } = await trimPartition(client, keys, 'p00', { stages: STAGES, retentionMs: HOUR_MS })
  t.match(held, [{ stream, group: 'forgotten' }])
  t.equal(await client.xlen(stream), 1)
})

function trim(retentionMs: number) {
  return trimPartition(redis, keys, 'p00', { stages: STAGES, retentionMs })
}

const began = Date.now()
function hoursAgo(hours: number, sequence = 0): string {
  return `${began - hours * HOUR_MS}-${sequence}`
}

async function write(key: string, entryIds: readonly string[]): Promise<void> {
  await Promise.all(entryIds.map(id => redis.xadd(key, id, 'envelope', '')))
}

/** Reads as a group's consumer, making the group where it is new; the ids. */
async function read(key: string, name: string, count: number): Promise<string[]> {
  await redis.xgroup('CREATE', key, name, '0').catch(() => undefined)
  const answer = await redis.call('XREADGROUP', 'GROUP', name, 'me', 'COUNT', count, 'STREAMS', key, '>')
  const [[, entries]] = answer as [[string, [string][]]]
  return entries.map(([id]) => id)
}

async function done(key: string, name: string, count: number): Promise<void> {
  await redis.xack(key, name, ...(await read(key, name, count)))
}

async function ids(key: string): Promise<string[]> {
  return (await redis.xrange(key, '-', '+')).map(([id]) => id)
}
