import t from 'tap'
import { analysisTasks } from '../../../shared/streams.ts'
import { fakeMailbox } from '../../support/fake-mailbox.ts'
import { ANA, startPipeline, type TestPipeline } from '../../support/pipeline.ts'
import { startRedis } from '../../support/redis.ts'
import { until } from '../../support/until.ts'

const redis = await startRedis()
t.teardown(() => redis.stop())

/** Syncs six messages in two threads: m0, m2, m4 in t0 and m1, m3, m5 in t1. */
async function twoThreads(t: { teardown(done: () => unknown): void }) {
  const mailbox = fakeMailbox()
  const pipeline = await startPipeline(redis, mailbox)
  t.teardown(() => pipeline.stop())
  mailbox.deliver(6, 2)
  await pipeline.sync()
  mailbox.calls.length = 0
  return { mailbox, pipeline, ...lookInto(pipeline) }
}

function lookInto({ app: { redis: client, keys }, read }: TestPipeline) {
  return {
    newest: async () => (await read(analysisTasks)).at(-1)?.body,
    tasks: async () => (await read(analysisTasks)).length,
    known: async (thread: string) =>
      (await client.hkeys(keys.thread(ANA, thread))).filter(field => field.startsWith('id:')).sort(),
    cached: async (id: string) => JSON.parse((await client.get(keys.message(ANA, id))) ?? 'null'),
  }
}

t.test('a deleted message is removed from its thread, which is emitted for one call', async t => {
  const { mailbox, pipeline, newest, known, cached } = await twoThreads(t)
  mailbox.remove('m2')
  t.match(await pipeline.sync(), { listed: 0, deleted: 1, threads: 1, tasks: 1, addsUp: true })
  t.same(mailbox.calls, ['changes'])
  const task = await newest()
  t.match(task, { thread: 't0', reason: 'changed' })
  t.same(
    task?.messages.map(({ id }) => id),
    ['m0', 'm4'],
  )
  t.same(await known('t0'), ['id:m0', 'id:m4'])
  t.equal(await cached('m2'), null)
})

t.test('deleting an unknown message changes nothing', async t => {
  const { mailbox, pipeline } = await twoThreads(t)
  const [id = ''] = mailbox.deliver(1)
  mailbox.remove(id)
  t.match(await pipeline.sync(), { listed: 0, deleted: 0, threads: 0, tasks: 0, addsUp: true })
})

t.test('an empty thread is not emitted, and expires', async t => {
  const { mailbox, pipeline, tasks, known } = await twoThreads(t)
  for (const id of ['m1', 'm3', 'm5']) mailbox.remove(id)
  t.match(await pipeline.sync(), { deleted: 3, threads: 0, tasks: 0, settled: true })
  t.equal(await tasks(), 2)
  t.same(await known('t1'), [])
  const { redis: client, keys } = pipeline.app
  const left = await client.ttl(keys.thread(ANA, 't1'))
  t.ok(left > 0, 'its index expires')
  t.equal(await client.ttl(keys.thread(ANA, 't0')), -1, 'the other stays')
})

t.test('a deletion and an arrival in one thread make one task', async t => {
  const { mailbox, pipeline, newest } = await twoThreads(t)
  mailbox.remove('m0')
  mailbox.deliver(1, 2)
  t.match(await pipeline.sync(), { listed: 1, deleted: 1, threads: 1, tasks: 1 })
  const task = await newest()
  t.match(task, { thread: 't0', reason: 'grown' })
  t.same(
    task?.messages.map(({ id }) => id),
    ['m2', 'm4', 'm6'],
  )
})

t.test('a message deleted on a later page is not added by an earlier one', async t => {
  const mailbox = fakeMailbox(2)
  const pipeline = await startPipeline(redis, mailbox, { only: ['list-ids'] })
  t.teardown(() => pipeline.stop())
  const { known, newest } = lookInto(pipeline)
  await pipeline.sync()
  mailbox.deliver(4, 1)
  let listed = 0
  const { changes } = mailbox
  mailbox.changes = async (...of) => {
    listed += 1
    const page = await changes(...of)
    return listed === 2 ? { ...page, gone: [{ id: 'm0', thread: 't0' }] } : page
  }
  await pipeline.request()
  await until(() => listed === 2, 'both pages are listed')
  pipeline.start(['cache-filter', 'batch-fetch', 'merge', 'thread-group', 'ai-dispatch'])
  t.match((await pipeline.quiet())[0], { listed: 4, fates: { fetched: 4 }, tasks: 1, addsUp: true })
  t.same(await known('t0'), ['id:m1', 'id:m2', 'id:m3'])
  t.same(
    (await newest())?.messages.map(({ id }) => id),
    ['m1', 'm2', 'm3'],
  )
})

t.test('reading and starring change only the cache', async t => {
  const { mailbox, pipeline, cached } = await twoThreads(t)
  mailbox.relabel('m1', ['STARRED'], ['UNREAD'])
  t.match(await pipeline.sync(), { listed: 0, threads: 0, tasks: 0 })
  t.same(mailbox.calls, ['changes'])
  t.match(await cached('m1'), { labels: ['INBOX', 'STARRED'] })
  const { redis: client, keys } = pipeline.app
  await client.del(keys.message(ANA, 'm3'))
  mailbox.relabel('m3', ['UNREAD'])
  await pipeline.sync()
  t.equal(await cached('m3'), null, 'what is not at hand is not fetched for it')
  t.same(mailbox.calls, ['changes', 'changes'])
})

t.test('a relevant label emits the thread again without a fetch', async t => {
  const { mailbox, pipeline, newest, tasks } = await twoThreads(t)
  mailbox.relabel('m1', ['Label_1'], ['INBOX'])
  t.match(await pipeline.sync(), { listed: 0, deleted: 0, threads: 1, tasks: 1 })
  t.same(mailbox.calls, ['changes'])
  t.match(await newest(), { thread: 't1', reason: 'changed', labels: ['INBOX', 'Label_1'] })
  mailbox.relabel('m1', ['INBOX'], ['Label_1'])
  await pipeline.sync()
  t.equal(await tasks(), 4)
  mailbox.relabel('m1', ['INBOX'], [])
  t.match(await pipeline.sync(), { threads: 1, tasks: 0, unchanged: 1 }, 'the version was dispatched already')
})

t.test('relabelling an unknown message emits no thread', async t => {
  const { mailbox, pipeline } = await twoThreads(t)
  const { changes } = mailbox
  mailbox.changes = async (...of) => ({
    ...(await changes(...of)),
    labels: [{ id: 'old', thread: 't0', added: ['INBOX'], removed: [] }],
  })
  t.match(await pipeline.sync(), { threads: 0, tasks: 0 })
})

t.test('a deletion without a thread id is resolved from known threads', async t => {
  const { mailbox, pipeline, known } = await twoThreads(t)
  const { changes } = mailbox
  mailbox.changes = async (...of) => ({ ...(await changes(...of)), gone: [{ id: 'm3' }, { id: 'unheard of' }] })
  t.match(await pipeline.sync(), { deleted: 1, threads: 1, tasks: 1 })
  t.same(await known('t1'), ['id:m1', 'id:m5'])
})

t.test('a filtered id gets its fate without a fetch, and its page advances', async t => {
  const mailbox = fakeMailbox(2)
  const pipeline = await startPipeline(redis, mailbox)
  t.teardown(() => pipeline.stop())
  mailbox.deliver(5, 2)
  const { changes } = mailbox
  mailbox.changes = async (...of) => {
    const page = await changes(...of)
    return { ...page, ids: page.ids.map(one => ({ ...one, filtered: 'labelled SPAM' })) }
  }
  mailbox.calls.length = 0
  const run = await pipeline.sync()
  t.match(run, { listed: 5, fates: { filtered: 5, fetched: 0, cached: 0 }, threads: 0, tasks: 0, addsUp: true })
  t.same(mailbox.calls, ['changes', 'changes', 'changes'])
  mailbox.changes = changes
  t.match(await pipeline.sync(), { listed: 0 }, 'the cursor has moved')
})

t.test('verification fetches cached messages and removes missing ones from their thread', async t => {
  const { mailbox, pipeline, known } = await twoThreads(t)
  const { changes } = mailbox
  mailbox.remove('m1')
  mailbox.changes = async (...of) => ({
    ...(await changes(...of)),
    gone: [],
    ids: ['m0', 'm1'].map(id => ({ id, thread: id === 'm0' ? 't0' : 't1', verify: true })),
  })
  const run = await pipeline.sync()
  t.match(run, { listed: 2, fates: { fetched: 1, gone: 1, cached: 0 }, deleted: 1, tasks: 1, unchanged: 1 })
  t.same(mailbox.calls, ['changes', 'fetch 2'])
  t.same(await known('t1'), ['id:m3', 'id:m5'])
})
