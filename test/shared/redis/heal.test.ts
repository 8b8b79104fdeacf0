import t from 'tap'
import { STAGES } from '../../../pipeline/base/stages.ts'
import type { MailboxId } from '../../../shared/mailbox.ts'
import { createHealing, type Healed } from '../../../shared/redis/heal.ts'
import { inspectPartition } from '../../../shared/redis/inspect.ts'
import { createKeys } from '../../../shared/redis/keys.ts'
import { connectMailbox } from '../../../shared/redis/mailboxes.ts'
import { clusterFor } from '../../support/redis.ts'

const ANA: MailboxId = 'gmail:ana@example.com'
const AFTER_MS = 60_000
const { server, redis } = await clusterFor(t)

const keys = createKeys('test', 2)
const partition = keys.partitionOf(ANA)
const run = keys.run(partition, 'one')
const mailbox = keys.mailbox(ANA)
const stream = keys.stream(partition, 'missing-ids', 'bulk')
const events = keys.stream(partition, 'watch-events', 'live')
const envelope = `{"v":1,"id":"x","run":"one","mailbox":"${ANA}"}`

t.test('a run idle in two checks is abandoned and started again', async t => {
  const { look, pass } = await watching()
  t.same(await look(), [])
  pass(AFTER_MS - 1)
  t.same(await look(), [], 'not before its time')
  pass(1)
  const missing = [
    'the listing is not finished',
    'window 2 lacks 1 of 3 fates',
    '1 more windows not merged',
    '1 windows merged and not grouped',
    '2 threads not emitted',
  ]
  t.same(await look(), [{ mailbox: ANA, run: 'one', by: 'new1', threads: 3, missing }])
  t.match(await redis.hgetall(run), { abandoned: 'new1', healedBy: 'new1', status: 'abandoned', opened: '4' })
  t.match(await redis.hgetall(mailbox), { activeRun: 'new1', cursor: 'before', cursorAt: '5', synced: '1' })
  t.match(await redis.hgetall(keys.run(partition, 'new1')), {
    heals: 'one',
    cause: 'heal',
    from: 'before',
    mailbox: ANA,
  })
  t.same(await redis.zrange(keys.runThreads(partition, 'new1'), '0', '-1'), ['grouped', 'listed', 'released'])
  t.match(await redis.hgetall(keys.runFresh(partition, 'new1')), { grouped: '["m1"]' })
  const [[, fields] = ['', []]] = await redis.xrange(events, '-', '+')
  t.match(JSON.parse(fields[1] ?? ''), { run: 'new1', mailbox: ANA, body: { cause: 'heal' } })
  const [reported] = await redis.xrevrange(keys.mailboxEvents(partition), '+', '-', 'COUNT', 1)
  t.match(reported?.[1].join(' '), /event healed .* run one by new1 threads 3/)
  pass(AFTER_MS)
  t.same(await look(), [], 'the new run has its event')
})

t.test('a run that progresses is not healed', async t => {
  const { look, pass } = await watching()
  for (const units of [1, 2, 3]) {
    await redis.hset(run, 'units', units)
    t.same(await look(), [])
    pass(AFTER_MS)
  }
  t.match(await look(), [{ run: 'one' }])
})

t.test('a run with waiting work is not healed', async t => {
  const group = 'batch-fetch'
  const add = async () => (await redis.xadd(stream, '*', 'envelope', envelope)) ?? ''
  const places: Record<string, () => Promise<unknown>> = {
    'unread, where the stage never came': add,
    unread: () => add().then(() => redis.xgroup('CREATE', stream, group, '0')),
    pending: async () => {
      await redis.xgroup('CREATE', stream, group, '0', 'MKSTREAM')
      await add()
      await redis.call('XREADGROUP', 'GROUP', group, 'me', 'STREAMS', stream, '>')
    },
    delayed: () => redis.zadd(keys.delay(partition, group), 1, `${stream}\n${envelope}`),
    parked: () => redis.rpush(keys.parked(ANA), `${stream}\n${envelope}`),
  }
  for (const [place, put] of Object.entries(places)) {
    await server.client.flushall()
    const { look, pass } = await watching()
    await put()
    await look()
    pass(AFTER_MS)
    t.same(await look(), [], place)
    await redis.del(stream, keys.delay(partition, group), keys.parked(ANA))
    t.match(await look(), [{ run: 'one' }], `${place} no more`)
  }
})

t.test('the script checks again and skips runs that changed meanwhile', async t => {
  const { look, pass } = await watching()
  await look()
  pass(AFTER_MS)
  const late = keys.stream(partition, 'threads', 'live')
  t.same(await look(() => redis.xadd(late, '*', 'envelope', envelope)), [])
  await redis.del(late)
  t.same(await look(() => redis.hset(run, 'merged', 3)), [])
})

t.test("acknowledged entries and other runs' entries do not count as waiting", async t => {
  const { look, pass } = await watching()
  await redis.xgroup('CREATE', stream, 'batch-fetch', '0', 'MKSTREAM')
  const id = await redis.xadd(stream, '*', 'envelope', envelope)
  await redis.call('XREADGROUP', 'GROUP', 'batch-fetch', 'me', 'STREAMS', stream, '>')
  await redis.xack(stream, 'batch-fetch', id ?? '')
  const pipeline = redis.pipeline()
  for (let n = 0; n < 1200; n += 1) pipeline.xadd(stream, '*', 'envelope', envelope.replace('"one"', '"other"'))
  await pipeline.exec()
  await look()
  pass(AFTER_MS)
  t.match(await look(), [{ run: 'one' }])
})

t.test('behind a large backlog nothing counts as stalled', async t => {
  const { look, pass } = await watching()
  const pipeline = redis.pipeline()
  for (let n = 0; n < 10_000; n += 1) pipeline.xadd(stream, '*', 'envelope', '')
  await pipeline.exec()
  await look()
  pass(AFTER_MS)
  t.same(await look(), [])
})

t.test('an ended run is healed only if it owes a thread', async t => {
  const { look, pass } = await watching()
  const ended = [
    'listing',
    'done',
    'merged',
    4,
    'grouped',
    4,
    'endedAt',
    5,
    'threads',
    2,
    'settled',
    2,
    'status',
    'done',
  ]
  await redis.hdel(mailbox, 'activeRun')
  await redis.hset(run, ...(ended as string[]))
  const unsent = keys.runUnsent(partition, 'one')
  await redis.del(keys.runThreads(partition, 'one'), unsent)
  await look()
  pass(AFTER_MS)
  t.same(await look(), [])
  await redis.hset(unsent, 'released', 'v1')
  t.same(await look(), [])
  pass(AFTER_MS)
  t.match(await look(), [{ run: 'one', by: 'new1', threads: 1 }])
  t.match(await redis.hgetall(mailbox), { activeRun: 'new1', cursor: 'now' })
  t.notOk((await redis.hgetall(run)).abandoned, 'its message that waits alone continues')
})

t.test('a deferred message is carried over even without its window', async t => {
  const { look, pass } = await watching()
  await redis.hdel(mailbox, 'activeRun')
  await redis.del(keys.runThreads(partition, 'one'), keys.runUnsent(partition, 'one'))
  const ended = { listing: 'done', merged: 4, grouped: 4, endedAt: 5, status: 'done', deferred: 2 }
  await redis.hset(run, ended)
  const items = JSON.stringify([
    ['back', 't1'],
    ['lost', 't1'],
    ['read', 't1'],
  ])
  const fates = { 0: 'deferred', 1: 'deferred', 2: 'fetched' }
  await redis.hset(keys.window(partition, 'one', '1'), { of: 3, done: 3, items, ...fates })
  await redis.hset(keys.window(partition, 'one', 'deferred:1/0'), { of: 1, 0: 'fetched', items: '[["back","t1"]]' })
  await look()
  pass(AFTER_MS)
  const [healed] = await look()
  t.match(healed, { run: 'one', by: 'new1' })
  t.same(healed?.missing, ['2 messages deferred'])
  t.match(await redis.hgetall(keys.window(partition, 'new1', 'lost')), { of: '1', items: '[["lost","t1"]]' })
})

t.test('an ended run waits while another is active', async t => {
  const { look, pass } = await watching()
  await redis.hset(keys.run(partition, 'two'), 'startedAt', 1, 'mailbox', ANA)
  await redis.hset(mailbox, 'activeRun', 'two')
  await redis.rpush(keys.parked(ANA), `${stream}\n${envelope.replace('"one"', '"two"')}`)
  await look()
  pass(AFTER_MS)
  t.same(await look(), [])
})

t.test('an idle mailbox with a mark gets an event unless one waits', async t => {
  const marks: Record<string, string[]> = {
    dirty: ['dirty', '1'],
    asked: ['asked', 'lost'],
    'names of messages': ['created', '["m7"]'],
    'a look that was lost': ['look', `${events}\n{"v":1,"id":"x","run":"look"}`],
    'a held event': ['parkedEvent', '1'],
    'a look for after a run': ['lookAfterRun', '1'],
  }
  for (const [what, fields] of Object.entries(marks)) {
    await server.client.flushall()
    const { look, pass } = await watching()
    await redis.del(run, keys.runs(partition))
    await redis.hdel(mailbox, 'activeRun')
    await redis.hset(mailbox, ...fields)
    const own = await redis.xadd(events, '*', 'envelope', `{"v":1,"run":"other","mailbox":"${ANA}"}`)
    await look()
    pass(AFTER_MS)
    t.same(await look(), [], `${what}, and an event waits`)
    await redis.xdel(events, own ?? '')
    t.match(await look(), [{ mailbox: ANA, by: 'new1', run: undefined }], what)
    t.equal(await redis.xlen(events), 1)
    pass(AFTER_MS)
    t.same(await look(), [], `${what}, and is done`)
  }
})

t.test('a mailbox that cannot be listed is not nudged repeatedly', async t => {
  const { look, pass } = await watching()
  await redis.del(run, keys.runs(partition))
  await redis.hdel(mailbox, 'activeRun', 'synced')
  const idle = async () => {
    await look()
    pass(AFTER_MS)
    return look()
  }
  t.match(await idle(), [{ mailbox: ANA }])
  // Its run did not begin.
  await redis.del(keys.stream(partition, 'watch-events', 'bulk'))
  await redis.hdel(mailbox, 'asked')
  t.same(await idle(), [])
  pass(30 * AFTER_MS)
  t.match(await look(), [{ mailbox: ANA }], 'but after half an hour')
})

t.test('the content of a lost look is not reported', async t => {
  const { look, pass } = await watching()
  await redis.del(run, keys.runs(partition))
  await redis.hdel(mailbox, 'activeRun')
  await redis.hset(mailbox, 'look', `${stream}\n${envelope}`)
  await look()
  pass(AFTER_MS)
  const [healed] = await look()
  t.same(healed?.missing, ['an event for its pending marks: look'])
})

t.test('an idle mailbox with a lost link is listed', async t => {
  const { look, pass } = await watching()
  await redis.del(run, keys.runs(partition))
  await redis.hdel(mailbox, 'activeRun')
  await redis.hset(mailbox, 'cursor', 'folders:17:one,two')
  await redis.set(keys.link(ANA, 'one'), 'https://…')
  await redis.set(keys.link(ANA, 'two'), 'https://…')
  await look()
  pass(AFTER_MS)
  t.same(await look(), [])
  await redis.del(keys.link(ANA, 'two'))
  await look()
  pass(AFTER_MS)
  t.match(await look(), [{ mailbox: ANA, missing: [/link/] }])
})

/**
 * Creates a mailbox whose active run has one of four windows grouped, one merged, one that lacks a fate, and a context window. The run owes
 * two grouped threads and one released one. The healing has a clock of its own.
 */
async function watching(): Promise<{
  look: (meanwhile?: () => Promise<unknown>) => Promise<Healed[]>
  pass: (ms: number) => void
}> {
  await connectMailbox(redis, keys, ANA, 'now', 1)
  await redis.hset(mailbox, 'activeRun', 'one', 'cursorAt', '9', 'synced', '1')
  const from = ['from', 'before', 'fromAt', '5', 'fromSynced', '1']
  await redis.hset(run, 'mailbox', ANA, 'startedAt', 1, 'opened', 4, 'merged', 2, 'grouped', 1, ...from)
  await redis.zadd(keys.runs(partition), 1, 'one')
  await redis.hset(keys.window(partition, 'one', '1'), 'of', 3, 'done', 3)
  await redis.hset(keys.window(partition, 'one', '2'), 'of', 3, 'done', 2)
  await redis.zadd(keys.runThreads(partition, 'one'), 1, 'grouped', 2, 'listed')
  await redis.hset(keys.runFresh(partition, 'one'), 'grouped', '["m1"]', 'gone:m2', '1', 'asked:grouped', '1')
  await redis.hset(keys.runUnsent(partition, 'one'), 'grouped', '', 'released', 'v1')
  let clock = 1_790_000_000_000
  let names = 0
  const newRunId = () => `new${++names}`
  const healing = createHealing({ redis, keys, stages: STAGES, afterMs: AFTER_MS, now: () => clock, newRunId })
  return {
    async look(meanwhile) {
      const sight = await inspectPartition(redis, keys, partition)
      await meanwhile?.()
      return healing.heal(partition, sight)
    },
    pass: ms => {
      clock += ms
    },
  }
}
