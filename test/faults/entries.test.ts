import t, { type Test } from 'tap'
import { STAGES } from '../../pipeline/base/stages.ts'
import { encodeEnvelope, type Lane } from '../../shared/envelope.ts'
import { type DeadLetter, listDead, redriveDead } from '../../shared/redis/dead.ts'
import { listRuns } from '../../shared/redis/runs.ts'
import type { StageName } from '../../shared/stage.ts'
import {
  cachedMessages,
  fetchedMessages,
  merged,
  messageIds,
  missingIds,
  type Stream,
  threads,
} from '../../shared/streams.ts'
import { cacheFilter } from '../../stages/cache-filter.ts'
import { merge } from '../../stages/merge.ts'
import { type FakeMailbox, fakeMailbox } from '../support/fake-mailbox.ts'
import { ANA, startPipeline, type TestPipeline } from '../support/pipeline.ts'
import { startRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'
import { isIntact, startBeside } from './support.ts'

const redis = await startRedis()
t.teardown(() => redis.stop())
t.beforeEach(() => redis.client.flushall())

t.test('an entry above a mebibyte is dead-lettered whole and never logged', async t => {
  const { pipeline, mailbox } = await without(t, 'merge')
  const { lines } = startBeside(t, pipeline, mailbox, [merge])
  const body = { id: 'm', window: '1', index: 0, of: 1, fate: 'gone', reason: `a secret ${'x'.repeat(2 << 20)}` }
  const head = { id: 'r/1/0', run: 'r', mailbox: ANA, at: 1, attempt: 0, lane: 'live' } as const
  const text = encodeEnvelope({ ...head, body })
  const entryId = await redis.client.xadd(keyOf(pipeline, cachedMessages), '*', 'envelope', text)
  mailbox.deliver(20, 4)
  t.match(await pipeline.sync(), { listed: 20, fates: { fetched: 20 }, tasks: 4, addsUp: true })
  const [letter] = await letters(pipeline, 1)
  const size = `the entry has ${text.length} bytes; the limit is 1048576`
  t.match(letter, { stage: 'merge', stream: 'cached-messages', kind: 'unparsable', message: size, unread: true })
  t.ok(letter?.text === text, 'whole')
  t.notMatch(JSON.stringify(lines), /a secret/)
  await redis.client.xdel(keyOf(pipeline, cachedMessages), `${entryId}`)
  await isIntact(t, pipeline, { messages: 20, tasks: 4 })
})

t.test(
  'what this version reads, what a later one wrote and garbage, in one stream: each meets its own fate',
  async t => {
    const { pipeline, mailbox } = await without(t, 'cache-filter')
    mailbox.deliver(40, 8)
    await pipeline.request()
    const key = keyOf(pipeline, messageIds, 'bulk')
    const [one, other] = await until(async () => {
      const found = await redis.client.xrange(key, '-', '+')
      return found.length === 2 ? found.map(([, fields]) => fields[1] ?? '') : undefined
    }, 'all is listed, in two slices')
    await redis.client.del(key)
    const later = (other ?? '').replace('"v":2', '"v":3').replace('"ids":[{', '"ids":[{"since":"v3",')
    for (const text of [one ?? '', 'garbage', later]) await redis.client.xadd(key, '*', 'envelope', text)
    await redis.client.xadd(key, '*', 'other', later)
    pipeline.start(['cache-filter'])
    const dead = await letters(pipeline, 22)
    const texts = (of: readonly DeadLetter[]) => of.map(({ text }) => text).sort()
    const isLater = ({ message }: DeadLetter) =>
      /version 3; this process reads up to version 2: upgrade it/.test(message)
    const whole = JSON.parse(later)
    const apart = whole.body.ids.map((id: object) => JSON.stringify({ ...whole, body: { ...whole.body, ids: [id] } }))
    t.same(texts(dead.filter(isLater)), apart.sort(), 'of what a later version wrote each id is there whole')
    t.same(texts(dead.filter(letter => !isLater(letter))), ['', 'garbage'])
    const balanced = { listed: 40, fates: { fetched: 20, dead: 20 }, addsUp: true }
    t.match(await pipeline.quiet(), [balanced], 'the others have gone on, and the window is complete')

    t.equal(await redrive(pipeline, dead), 21, 'what has no envelope cannot be put back')
    const before = new Set(dead.flatMap(({ name, text }) => (text ? [name] : [])))
    const again = await until(async () => {
      const found = await letters(pipeline, 22)
      return found.some(({ name }) => before.has(name)) ? undefined : found
    }, 'the others are dead again')
    t.same(texts(again), texts(dead), 'not a byte is different')
    t.match(await pipeline.quiet(), [balanced], 'and nothing is counted twice')
  },
)

const PLACES = [
  ['message-ids', 'cache-filter', messageIds, 'thread'],
  ['missing-ids', 'batch-fetch', missingIds, 'thread'],
  ['fetched-messages', 'merge', fetchedMessages, 'fate'],
] as const
for (const [name, reader, stream, field] of PLACES) {
  t.test(`an id of ${name} without a field is dead, the rest completes`, async t => {
    const { pipeline, mailbox } = await without(t, reader)
    mailbox.deliver(20, 4)
    await pipeline.request()
    const key = keyOf(pipeline, stream, 'bulk')
    const text = await until(async () => {
      const [found] = await redis.client.xrange(key, '-', '+')
      return found?.[1][1]
    }, 'all is there, in one slice')
    await redis.client.del(key)
    const whole = JSON.parse(text)
    delete whole.body.ids[7][field]
    await redis.client.xadd(key, '*', 'envelope', JSON.stringify(whole))
    pipeline.start([reader])
    t.match(await pipeline.quiet(), [
      { listed: 20, fates: { fetched: 19, dead: 1 }, threads: 4, tasks: 4, addsUp: true },
    ])
    const [letter] = await letters(pipeline, 1)
    t.match(letter, { stage: reader, kind: 'unparsable', unread: false })
    t.equal(JSON.parse(letter?.text ?? '').body.ids.length, 1)
  })
}

t.test('an entry of the single-id format is still read', async t => {
  const { pipeline, mailbox } = await without(t, 'cache-filter')
  mailbox.deliver(6, 2)
  await pipeline.request()
  const key = keyOf(pipeline, messageIds, 'bulk')
  await until(async () => (await redis.client.xlen(key)) === 1, 'all is listed, in one slice')
  const ids = await pipeline.read(messageIds)
  await redis.client.del(key)
  for (const envelope of ids) await redis.client.xadd(key, '*', 'envelope', encodeEnvelope(envelope))
  pipeline.start(['cache-filter'])
  t.match(await pipeline.quiet(), [{ listed: 6, fates: { fetched: 6 }, threads: 2, tasks: 2, addsUp: true }])
})

for (const [what, isPlaced] of [
  ['', true],
  [', be it that nobody could be told of it', false],
] as const) {
  t.test(`unreadable entries continue after an upgrade of their reader${what}`, async t => {
    const { pipeline, mailbox } = await without(t, 'cache-filter')
    mailbox.deliver(40, 8)
    const readable = messageIds.body.refine(({ index }) => index % 10 !== 5)
    const salvaged = isPlaced ? messageIds.body : readable
    const old = startBeside(t, pipeline, mailbox, [
      { ...cacheFilter, reads: [{ ...messageIds, body: readable, salvaged }] },
    ])
    await pipeline.request()
    const dead = await letters(pipeline, 4)
    await until(async () => (await fetched(pipeline)) === 36, 'the others have gone on')
    if (isPlaced) t.match(await pipeline.quiet(), [{ listed: 40, fates: { fetched: 36, dead: 4 }, addsUp: true }])
    await old.stop(5000)
    pipeline.start(['cache-filter'])
    t.equal(await redrive(pipeline, dead), 4)
    const [run] = await pipeline.quiet()
    t.match(run, { listed: 40, fates: { fetched: 40, dead: 0 }, threads: isPlaced ? 12 : 8, addsUp: true })
    await isIntact(t, pipeline, { messages: 40, tasks: run?.tasks ?? 0, again: [messageIds] })
  })
}

t.test('a thread with more evicted mail than a window is refetched whole', async t => {
  const mailbox = fakeMailbox()
  const pipeline = await startPipeline(redis, mailbox, { settings: { TASK_TOKENS: '100000' } })
  t.teardown(() => pipeline.stop())
  const old = mailbox.deliver(600, 1)
  await pipeline.sync()
  await redis.client.del(...old.map(id => pipeline.app.keys.message(ANA, id)))
  mailbox.deliver(1, 1)
  t.match(await pipeline.sync(), { listed: 1, context: 600, threads: 1, tasks: 1, addsUp: true })
  t.equal((await pipeline.read(threads)).at(-1)?.body.ids.length, 601)
  const windows = (await pipeline.read(merged)).filter(({ body }) => body.context)
  t.same(windows.map(({ body }) => body.items.length).sort(), [100, 500])
})

/** Starts a pipeline without one of its stages. */
async function without(t: Test, stage: StageName): Promise<{ pipeline: TestPipeline; mailbox: FakeMailbox }> {
  const mailbox = fakeMailbox()
  const only = STAGES.map(({ name }) => name).filter(name => name !== stage)
  const pipeline = await startPipeline(redis, mailbox, { only })
  t.teardown(() => pipeline.stop())
  return { pipeline, mailbox }
}

function keyOf({ app: { keys } }: TestPipeline, { name }: Stream, lane: Lane = 'live'): string {
  return keys.stream(keys.partitionOf(ANA), name, lane)
}

async function letters({ app }: TestPipeline, count: number): Promise<DeadLetter[]> {
  return until(async () => {
    const found = await listDead(app.redis, app.keys)
    return found.length === count ? found : undefined
  }, `${count} are dead`)
}

/** Redrives these dead letters; returns how many were put back. */
async function redrive({ app }: TestPipeline, dead: readonly DeadLetter[]): Promise<number> {
  const { redis: client, keys, now, newRunId } = app
  const done = await Promise.all(
    dead.map(letter => redriveDead(client, keys, letter, { now: now(), newRunId: newRunId() })),
  )
  return done.filter(one => one).length
}

async function fetched({ app }: TestPipeline): Promise<number> {
  const runs = await listRuns(app.redis, app.keys, 10)
  return runs.reduce((sum, { fates }) => sum + fates.fetched, 0)
}
