import t from 'tap'
import { READERS, STAGES } from '../../../pipeline/base/stages.ts'
import { startJsRedis } from '../../../pipeline/embedded-redis/js-redis.ts'
import { connectRedis } from '../../../shared/redis/connect.ts'
import { createKeys } from '../../../shared/redis/keys.ts'
import { trimPartition, workStreams } from '../../../shared/redis/trim.ts'
import { STREAMS } from '../../../shared/streams.ts'
import { clusterFor } from '../../support/redis.ts'

const HOUR_MS = 3_600_000
// One entry a node, so that trimming is exact, with at most a hundred entries a call.
const { server, redis } = await clusterFor(t, '--stream-node-max-entries', '1')

const keys = createKeys('test', 2)
const stream = keys.stream('p00', 'message-ids', 'live')
const tasks = keys.stream('p00', 'analysis-tasks', 'live')
const group = 'cache-filter'

t.test('acknowledged entries are trimmed after the retention', async t => {
  await write(stream, [hoursAgo(5), hoursAgo(4), hoursAgo(2)])
  await done(stream, group, 3)
  t.same(await trim(3 * HOUR_MS), { removed: 2, held: [] })
  t.same(await ids(stream), [hoursAgo(2)])
  t.match(await trim(HOUR_MS), { removed: 1 })
})

t.test('nothing within the retention is trimmed', async t => {
  await write(stream, [hoursAgo(2), hoursAgo(1)])
  await done(stream, group, 2)
  t.match(await trim(3 * HOUR_MS), { removed: 0 })
  t.equal(await redis.xlen(stream), 2)
})

t.test('pending entries and later ones are not trimmed', async t => {
  await write(stream, [hoursAgo(5), hoursAgo(4), hoursAgo(3)])
  await read(stream, group, 3)
  await redis.xack(stream, group, hoursAgo(5), hoursAgo(3))
  await trim(HOUR_MS)
  t.same(await ids(stream), [hoursAgo(4), hoursAgo(3)])
  await redis.xack(stream, group, hoursAgo(4))
  await trim(HOUR_MS)
  t.same(await ids(stream), [])
})

t.test('unread entries are not trimmed', async t => {
  await write(stream, [hoursAgo(5), hoursAgo(4), hoursAgo(3)])
  await done(stream, group, 1)
  await trim(HOUR_MS)
  t.same(await ids(stream), [hoursAgo(4), hoursAgo(3)])
})

t.test('a group that was set back can reread the remaining entries', async t => {
  await write(stream, [hoursAgo(5), hoursAgo(4), hoursAgo(3)])
  await read(stream, group, 3)
  await redis.xack(stream, group, hoursAgo(5), hoursAgo(4))
  await redis.xgroup('SETID', stream, group, '0')
  t.match(await trim(HOUR_MS), { removed: 0 })
})

t.test('the slowest group decides; an unexpected one is reported', async t => {
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

t.test('a foreign group within the retention is not reported', async t => {
  await write(stream, [hoursAgo(5), hoursAgo(1)])
  await done(stream, group, 2)
  await done(stream, 'audit', 1)
  t.same(await trim(2 * HOUR_MS), { removed: 1, held: [] })
  await redis.xgroup('DESTROY', stream, 'audit')
  await done(stream, 'idle', 1)
  t.same((await trim(2 * HOUR_MS)).held, [], 'it was last read long ago, without new entries')
})

t.test('a stream whose stage never ran is not trimmed', async t => {
  await write(stream, [hoursAgo(5)])
  await done(stream, 'some-other', 1)
  t.match(await trim(HOUR_MS), { removed: 0 })
})

t.test('tasks are trimmed once all worker groups acknowledged them', async t => {
  await write(tasks, [hoursAgo(5), hoursAgo(4), hoursAgo(1)])
  t.match(await trim(HOUR_MS), { removed: 0 })
  await redis.xgroup('CREATE', tasks, 'workers', '0')
  t.match(await trim(2 * HOUR_MS), { removed: 0, held: [{ stream: tasks, group: 'workers' }] })
  await done(tasks, 'workers', 2)
  t.same(await trim(2 * HOUR_MS), { removed: 2, held: [] })
  t.same(await ids(tasks), [hoursAgo(1)])
})

t.test('answers that no group reads stay as long as unread tasks, and no longer', async t => {
  const answers = keys.stream('p00', 'analysis-results', 'bulk')
  const options = { stages: STAGES, retentionMs: HOUR_MS, unreadMs: 3 * HOUR_MS }
  const old = [hoursAgo(5), hoursAgo(4), hoursAgo(2)]
  await write(answers, old)
  await write(tasks, old)
  t.match(await trim(HOUR_MS), { removed: 0 })
  t.match(await trimPartition(redis, keys, 'p00', options), { removed: 2, held: [] })
  t.same(await ids(answers), [hoursAgo(2)])
  t.same(await ids(tasks), old, 'unread tasks stay')
  await redis.xgroup('CREATE', answers, 'readers', '0')
  t.match(await trimPartition(redis, keys, 'p00', options), { removed: 0, held: [{ group: 'readers' }] })
  await done(answers, 'readers', 1)
  t.match(await trimPartition(redis, keys, 'p00', options), { removed: 1 })
})

t.test('trimming repeats calls and handles long sequence numbers', async t => {
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

t.test('when aborted, it stops after the current call', async t => {
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

t.test('a full Redis is still trimmed', async t => {
  await write(stream, [hoursAgo(5)])
  await done(stream, group, 1)
  await server.client.config('SET', 'maxmemory', '1')
  t.teardown(() => server.client.config('SET', 'maxmemory', '0'))
  await t.rejects(redis.set('a', 'b'), /OOM/)
  t.match(await trim(HOUR_MS), { removed: 1 })
})

t.test('exactly the work streams are trimmed, in both lanes', t => {
  const found = workStreams(keys, 'p01', READERS)
  t.same(
    found.map(({ key }) => key),
    STREAMS.flatMap(({ name }) => [`test:{p01}:s:${name}`, `test:{p01}:s:${name}:bulk`]),
  )
  t.same(
    found.filter(({ groups }) => groups.length === 0).map(({ key }) => key),
    ['analysis-tasks', 'analysis-results'].flatMap(name => [`test:{p01}:s:${name}`, `test:{p01}:s:${name}:bulk`]),
    'only tasks and answers have no reader of ours',
  )
  t.end()
})

t.test('one call trims one partition only', async t => {
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

/** Reads as a group's consumer, creating a missing group; returns the ids. */
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
