import t from 'tap'
import { encodeEnvelope } from '../../shared/envelope.ts'
import { connectMailbox } from '../../shared/redis/mailboxes.ts'
import type { StageName } from '../../shared/stage.ts'
import {
  analysisTasks,
  fetchedMessages,
  merged,
  messageIds,
  missingIds,
  type Stream,
  threads,
  watchEvents,
} from '../../shared/streams.ts'
import { fakeMailbox } from '../support/fake-mailbox.ts'
import { ANA, startPipeline, type TestPipeline } from '../support/pipeline.ts'
import { startRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'
import { commandCount, doubles, isIntact, startReading } from './support.ts'

const redis = await startRedis('--appendonly', 'yes', '--appendfsync', 'always')
t.teardown(() => redis.stop())
t.beforeEach(() => redis.client.flushall())

t.test('a killed Redis that restarts with its files loses and doubles nothing', async t => {
  const mailbox = fakeMailbox(50)
  const pipeline = await startPipeline(redis, mailbox)
  t.teardown(() => pipeline.stop())
  mailbox.deliver(200, 40)
  let fetched = 0
  mailbox.before = async kind => {
    if (kind === 'fetch' && ++fetched === 4) await redis.restart()
  }
  await pipeline.request()
  await until(() => fetched >= 4, 'it was killed')
  await pipeline.quiet()
  await isIntact(t, pipeline, { messages: 200, tasks: 40 })
})

t.test('after Redis loses all data, the stages process new work without spinning', async t => {
  const mailbox = fakeMailbox()
  const pipeline = await startPipeline(redis, mailbox, { settings: { LEASE_MS: '60000' } })
  t.teardown(() => pipeline.stop())
  mailbox.deliver(10, 2)
  await pipeline.sync()
  await redis.restart({ empty: true })
  const { app } = pipeline
  await connectMailbox(app.redis, app.keys, ANA, 'pinned:0:0', app.now())
  mailbox.deliver(10, 2)
  t.match(await pipeline.sync(), { listed: 20, fates: { fetched: 20 }, tasks: 2, addsUp: true })
  await isIntact(t, pipeline, { messages: 20, tasks: 2 })
  const commands = await commandCount(redis)
  t.ok(commands < 3000, `${commands} commands since the restart`)
})

t.test('after a flush, blocked and busy stages process new work', async t => {
  const mailbox = fakeMailbox()
  const pipeline = await startPipeline(redis, mailbox, { settings: { LEASE_MS: '60000' } })
  t.teardown(() => pipeline.stop())
  mailbox.deliver(60, 12)
  let calls = 0
  mailbox.before = async kind => {
    if (kind === 'fetch' && ++calls === 2) await redis.client.flushall()
  }
  await pipeline.request()
  await until(() => calls >= 2, 'flushed')
  const { app } = pipeline
  await connectMailbox(app.redis, app.keys, ANA, 'pinned:0:0', app.now())
  t.match(await pipeline.sync(), { listed: 60, threads: 12, tasks: 12, addsUp: true })
})

t.test('groups destroyed while idle are recreated at the last checkpoint', async t => {
  const mailbox = fakeMailbox()
  const pipeline = await startPipeline(redis, mailbox, { settings: { LEASE_MS: '500' } })
  t.teardown(() => pipeline.stop())
  mailbox.deliver(40, 8)
  await pipeline.sync()
  await marksAreCurrent(pipeline)
  mailbox.calls.length = 0
  const { keys, redis: client } = pipeline.app
  for (const [stage, stream] of GROUPS) {
    for (const lane of ['live', 'bulk'] as const)
      await client.xgroup('DESTROY', keys.stream(keys.partitionOf(ANA), stream, lane), stage)
  }
  mailbox.deliver(5, 5)
  const run = await pipeline.sync()
  t.match(run, { listed: 5, addsUp: true })
  t.same(mailbox.calls, ['changes', 'fetch 5'], 'nothing was listed or fetched again')
  await isIntact(t, pipeline, { messages: 45, tasks: 13 })
})

const busy = [
  ['list-ids', watchEvents],
  ['thread-group', merged],
  ['cache-filter', messageIds],
  ['batch-fetch', missingIds],
  ['merge', fetchedMessages],
  ['ai-dispatch', threads],
] as [StageName, Stream][]
for (const [stage, stream] of busy) {
  t.test(`destroying the busy group of ${stage} loses nothing and dispatches once`, async t => {
    const mailbox = fakeMailbox(40)
    const pipeline = await startPipeline(redis, mailbox, { settings: { LEASE_MS: '500' } })
    t.teardown(() => pipeline.stop())
    mailbox.deliver(120, 24)
    const { keys, redis: client } = pipeline.app
    const key = keys.stream(keys.partitionOf(ANA), stream.name, stream.name === watchEvents.name ? 'live' : 'bulk')
    await pipeline.request()
    await until(async () => (await pipeline.read(stream)).length > 0, 'it has work')
    await until(async () => (await client.xgroup('DESTROY', key, stage)) === 1, 'its group is gone')
    const [run] = await pipeline.quiet()
    t.match(run, { listed: 120, fates: { fetched: 120 }, threads: 24, tasks: 24, addsUp: true })
    const tasks = (await pipeline.read(analysisTasks)).map(({ body }) => body.thread)
    t.same([tasks.length, doubles(tasks)], [24, []], 'every thread once')
  })
}

t.test("destroying thread-group's group counts its grouped windows once", async t => {
  const mailbox = fakeMailbox(20)
  const pipeline = await startPipeline(redis, mailbox, { settings: { LEASE_MS: '60000' } })
  t.teardown(() => pipeline.stop())
  mailbox.deliver(120, 8)
  const { keys, redis: client } = pipeline.app
  const partition = keys.partitionOf(ANA)
  const key = keys.stream(partition, merged.name, 'bulk')
  let run = ''
  let pages = 0
  mailbox.before = async kind => {
    if (kind !== 'changes' || ++pages !== 4) return
    await until(async () => Number(await client.hget(keys.run(partition, run), 'grouped')) >= 2, 'some are grouped')
    await client.xgroup('DESTROY', key, 'thread-group')
    const entriesRead = async () => {
      const [group] = (await client.xinfo('GROUPS', key)) as unknown[][]
      return group?.[group.indexOf('last-delivered-id') + 1] !== '0-0' && group
    }
    await until(entriesRead, 'they are read again')
  }
  run = await pipeline.request()
  await pipeline.quiet()
  await isIntact(t, pipeline, { messages: 120, tasks: 8 })
})

t.test('a lost group restarts at its mark, a deleted stream at its start', async t => {
  const { got, live, write, reported, reader, keys } = await startReading(t, redis, { leaseMs: 300 })
  await write(live, 3)
  await until(() => got.length === 3, 'read')
  await redis.client.xack(live, 'merge', ...got.map(({ entryId }) => entryId))
  reader.done([...got])
  await until(async () => (await redis.client.hget(keys.marks('p00', 'merge'), live)) === got[2]?.entryId, 'marked')
  await redis.client.xgroup('DESTROY', live, 'merge')
  await write(live, 2)
  await until(() => got.length === 5, 'only what is new')
  await until(() => reported.lines.some(({ fields }) => Array.isArray(fields.restored)), 'logged')
  await redis.client.del(live)
  await redis.client.xadd(live, '1-1', 'envelope', 'of an earlier clock')
  await until(() => got.length === 6, 'read from its start though its ids are smaller than the mark')
})

t.test('flushed scripts are loaded again', async t => {
  const mailbox = fakeMailbox(20)
  const pipeline = await startPipeline(redis, mailbox)
  t.teardown(() => pipeline.stop())
  mailbox.deliver(100, 20)
  mailbox.before = async () => void (await redis.client.script('FLUSH'))
  await pipeline.sync()
  await isIntact(t, pipeline, { messages: 100, tasks: 20 })
})

t.test('a full Redis leaves nothing half done, and work resumes with memory', async t => {
  const mailbox = fakeMailbox(40)
  const pipeline = await startPipeline(redis, mailbox)
  t.teardown(async () => {
    await redis.client.config('SET', 'maxmemory', '0')
    await pipeline.stop()
  })
  mailbox.deliver(120, 24)
  let calls = 0
  mailbox.before = async kind => {
    if (kind === 'fetch' && ++calls === 3) await redis.client.config('SET', 'maxmemory', '1')
  }
  await pipeline.request()
  await until(() => calls >= 3, 'memory is short')
  const before = await commandCount(redis)
  await until(
    async () => Number((await redis.client.info('errorstats')).match(/OOM:count=(\d+)/)?.[1]) >= 10,
    'refused',
  )
  const asked = (await commandCount(redis)) - before
  t.ok(asked < 3000, `${asked} commands meanwhile`)
  t.ok(calls < 20, `${calls} fetches meanwhile`)
  await redis.client.config('SET', 'maxmemory', '0')
  await pipeline.quiet()
  await isIntact(t, pipeline, { messages: 120, tasks: 24 })
})

t.test('an output key of a wrong type blocks its writers until fixed', async t => {
  const mailbox = fakeMailbox()
  const pipeline = await startPipeline(redis, mailbox)
  t.teardown(() => pipeline.stop())
  const { keys } = pipeline.app
  const key = keys.stream(keys.partitionOf(ANA), analysisTasks.name, 'bulk')
  await redis.client.set(key, 'a string')
  mailbox.deliver(20, 4)
  await pipeline.request()
  await until(async () => (await pipeline.read(threads)).length === 4, 'the threads are out')
  await until(async () => /ERR|WRONGTYPE/.test(await redis.client.info('errorstats')), 'refused')
  t.equal(await redis.client.get(key), 'a string')
  await redis.client.del(key)
  await pipeline.quiet()
  await isIntact(t, pipeline, { messages: 20, tasks: 4 })
})

t.test('an input of a wrong type is logged once and read when fixed', async t => {
  const { got, live, reported, write } = await startReading(t, redis, { leaseMs: 60_000 })
  await until(async () => (await redis.client.exists(live)) === 1, 'reading')
  await redis.client.set(live, 'a string')
  await until(() => reported.lines.some(({ level }) => level === 'error'), 'logged')
  const before = await commandCount(redis)
  const begun = performance.now()
  await until(() => performance.now() - begun > 1500, 'a while')
  const commands = (await commandCount(redis)) - before
  t.ok(commands < 150, `${commands} commands meanwhile`)
  t.equal(reported.lines.filter(({ level }) => level === 'error').length, 1)
  await redis.client.del(live)
  await write(live, 2)
  await until(() => got.length === 2, 'it is read again')
})

t.test('entries trimmed before processing are acknowledged and counted as lost', async t => {
  const first = await startReading(t, redis, { consumer: 'test:first', leaseMs: 60_000 })
  await first.write(first.live, 1500)
  await until(() => first.got.length >= 990, 'read')
  first.reader.stop()
  await redis.client.xtrim(first.live, 'MAXLEN', 0)
  const pending = async () => Number(((await redis.client.xpending(first.live, 'merge')) as unknown[])[0])
  const held = await pending()
  const again = await startReading(t, redis, { consumer: 'test:first', leaseMs: 60_000, capacity: 100 })
  const lost = () => again.reported.lines.reduce((sum, { fields }) => sum + Number(fields.lost ?? 0), 0)
  await until(() => lost() === held, 'its own entries are counted')
  await until(async () => (await pending()) === 0, 'acknowledged')
  await again.write(again.live, 1)
  await until(() => again.got.length === 1, 'it continues')
})

t.test('a takeover counts trimmed entries of a dead consumer as lost', async t => {
  const dead = await startReading(t, redis, { consumer: 'test:dead', leaseMs: 60_000 })
  await dead.write(dead.live, 300)
  await until(() => dead.got.length === 300, 'read')
  dead.reader.stop()
  await redis.client.xtrim(dead.live, 'MAXLEN', 100)
  const heir = await startReading(t, redis, { leaseMs: 300, capacity: 50 })
  const emptier = setInterval(() => void heir.finish(), 10)
  t.teardown(() => clearInterval(emptier))
  await until(() => heir.got.length === 100, 'what is left is taken over')
  await until(
    () => heir.reported.lines.reduce((sum, { fields }) => sum + Number(fields.lost ?? 0), 0) === 200,
    'the rest is lost and logged',
  )
  t.same(doubles(heir.got.map(({ entryId }) => entryId)), [])
})

t.test('unreadable entries are dead-lettered and affect nothing else', async t => {
  const mailbox = fakeMailbox()
  const pipeline = await startPipeline(redis, mailbox)
  t.teardown(() => pipeline.stop())
  const { keys, now } = pipeline.app
  const key = keys.stream(keys.partitionOf(ANA), messageIds.name, 'live')
  const body = { id: 'm0', thread: 't0', window: '1', index: 0, of: 1 }
  const good = { id: 'x', run: 'x', mailbox: ANA, at: now(), attempt: 0, lane: 'live', body } as const
  const text = encodeEnvelope(good)
  const garbage = [
    await redis.client.xadd(key, '*', 'envelope', 'no JSON'),
    await redis.client.xadd(key, '*', 'other', text),
    await redis.client.xadd(key, '*', 'envelope', text.replace('"v":1', '"v":3')),
    await redis.client.xadd(key, '*', 'envelope', text.replace('"index":0', '"index":"first"')),
    await redis.client.xadd(key, '*', 'envelope', `"${'x'.repeat(8 << 20)}"`),
  ]
  mailbox.deliver(20, 4)
  const run = await pipeline.sync()
  t.match(run, { listed: 20, tasks: 4, addsUp: true })
  const dead = await pipeline.dead('cache-filter')
  t.equal(dead.length, 5)
  t.ok(dead.every(({ kind, stream }) => kind === 'unparsable' && stream === 'message-ids'))
  await redis.client.xdel(key, ...garbage.map(String))
  await isIntact(t, pipeline, { messages: 20, tasks: 4 })
})

const GROUPS = [
  ['list-ids', 'watch-events'],
  ['cache-filter', 'message-ids'],
  ['batch-fetch', 'missing-ids'],
  ['merge', 'cached-messages'],
  ['merge', 'fetched-messages'],
  ['thread-group', 'merged'],
  ['ai-dispatch', 'threads'],
] as const

/** Waits until every stage has marked its finished work. */
async function marksAreCurrent({ app }: TestPipeline): Promise<void> {
  const { redis: client, keys } = app
  const partition = keys.partitionOf(ANA)
  await until(async () => {
    for (const [stage, stream] of GROUPS) {
      for (const lane of ['live', 'bulk'] as const) {
        const key = keys.stream(partition, stream, lane)
        const [last] = await client.xrevrange(key, '+', '-', 'COUNT', 1)
        if (last && (await client.hget(keys.marks(partition, stage), key)) !== last[0]) return false
      }
    }
    return true
  }, 'all is marked')
}
