import t from 'tap'
import { STAGES } from '../../../pipeline/base/stages.ts'
import { MailError } from '../../../shared/error.ts'
import { readBacklog } from '../../../shared/redis/backlog.ts'
import { readMailbox } from '../../../shared/redis/mailboxes.ts'
import { analysisTasks, merged, messageIds, missingIds, threads, watchEvents } from '../../../shared/streams.ts'
import { fakeMailbox } from '../../support/fake-mailbox.ts'
import { ANA, startPipeline } from '../../support/pipeline.ts'
import { startRedis } from '../../support/redis.ts'
import { until } from '../../support/until.ts'

const redis = await startRedis()
t.teardown(() => redis.stop())

t.test('fifty messages cost four calls, a repeat one, a pushed message two', async t => {
  const mailbox = fakeMailbox()
  const pipeline = await startPipeline(redis, mailbox)
  t.teardown(() => pipeline.stop())
  mailbox.deliver(50, 12)
  mailbox.calls.length = 0
  const first = await pipeline.sync()
  t.same(mailbox.calls.toSorted(), ['changes', 'fetch 12', 'fetch 18', 'fetch 20'], 'no thread is torn')
  t.match(first, { listed: 50, fates: { fetched: 50 }, threads: 12, tasks: 12, addsUp: true, calls: { batch: 3 } })

  mailbox.calls.length = 0
  const repeat = await pipeline.sync()
  t.same(mailbox.calls, ['changes'])
  t.match(repeat, { listed: 0, threads: 0, tasks: 0, addsUp: true })

  mailbox.calls.length = 0
  mailbox.deliver(1, 12)
  const pushed = await pipeline.sync()
  t.same(mailbox.calls, ['changes', 'fetch 1'])
  t.match(pushed, { listed: 1, threads: 1, tasks: 1 })
  const tasks = await pipeline.read(analysisTasks)
  t.equal(tasks.length, 13)
  t.equal(tasks.at(-1)?.body.reason, 'grown')
})

t.test('a task contains the whole thread, oldest first', async t => {
  const mailbox = fakeMailbox()
  const pipeline = await startPipeline(redis, mailbox)
  t.teardown(() => pipeline.stop())
  mailbox.deliver(9, 3)
  await pipeline.sync()
  const tasks = await pipeline.read(analysisTasks)
  t.same(tasks.map(({ body }) => body.messages.map(({ id }) => id)).sort(), [
    ['m0', 'm3', 'm6'],
    ['m1', 'm4', 'm7'],
    ['m2', 'm5', 'm8'],
  ])
  t.equal(new Set(tasks.map(({ body }) => body.task)).size, 3)
})

t.test('at most two windows are open, and a thread over many pages is emitted once', async t => {
  const mailbox = fakeMailbox(10)
  const pipeline = await startPipeline(redis, mailbox, { only: ['list-ids'] })
  t.teardown(() => pipeline.stop())
  mailbox.deliver(95, 7)
  await pipeline.request()
  await until(async () => (await pipeline.read(messageIds)).length === 20, 'two windows are listed')
  pipeline.start(['cache-filter', 'batch-fetch', 'merge', 'thread-group', 'ai-dispatch'])
  const [run] = await pipeline.quiet()
  t.match(run, { listed: 95, fates: { fetched: 95 }, threads: 7, tasks: 7, addsUp: true })
  t.equal((await pipeline.read(threads)).length, 7)
  const windows = (await pipeline.read(merged)).filter(({ body }) => !body.release)
  t.equal(windows.length, 10)
  t.equal(new Set(windows.map(({ id }) => id)).size, 10)
})

t.test('messages fetched with their thread are not fetched again', async t => {
  const mailbox = fakeMailbox(10)
  mailbox.wholeThreads = true
  const settings = { GMAIL_MAX_CONCURRENT_BATCHES: '1', GMAIL_BATCH_SIZE: '10' }
  const pipeline = await startPipeline(redis, mailbox, { only: ['list-ids', 'cache-filter'], settings })
  t.teardown(() => pipeline.stop())
  mailbox.deliver(20, 5)
  await pipeline.request()
  await until(async () => (await pipeline.read(missingIds)).length === 20, 'both pages are found missing')
  pipeline.start(['batch-fetch', 'merge', 'thread-group', 'ai-dispatch'])
  const [run] = await pipeline.quiet()
  t.match(run, { listed: 20, fates: { fetched: 20 }, threads: 5, tasks: 5, addsUp: true, calls: { batch: 1 } })
})

t.test('listing pauses while later stages are behind, and then everything arrives', async t => {
  const mailbox = fakeMailbox(300)
  const pipeline = await startPipeline(redis, mailbox, { settings: { BACKLOG_LIMIT: '10' } })
  t.teardown(() => pipeline.stop())
  await pipeline.sync()
  await pipeline.stopStages()
  pipeline.start(['list-ids'])
  const { redis: client, keys } = pipeline.app
  mailbox.deliver(700, 30)
  await pipeline.request()
  await until(
    async () => (await pipeline.read(messageIds)).length === 300,
    'a page is listed, in more slices than may wait',
  )
  const isHeld = async () => {
    const backlog = await readBacklog(client, keys, STAGES.slice(0, 1))
    return backlog.some(({ inWork }) => inWork === 1)
  }
  await until(isHeld, 'the second page is taken up')
  const begun = performance.now()
  await until(() => performance.now() - begun > 500, 'it would be listed within milliseconds')
  t.equal((await pipeline.read(messageIds)).length, 300, 'and is deferred')
  pipeline.start(['cache-filter', 'batch-fetch', 'merge', 'thread-group', 'ai-dispatch'])
  const [run] = await pipeline.quiet()
  t.match(run, { listed: 700, fates: { fetched: 700 }, tasks: 30, addsUp: true })
})

t.test('a message deleted before its fetch is gone, and its window completes', async t => {
  const mailbox = fakeMailbox()
  const pipeline = await startPipeline(redis, mailbox)
  t.teardown(() => pipeline.stop())
  const [first, second] = mailbox.deliver(25, 5)
  mailbox.remove(first ?? '')
  mailbox.remove(second ?? '')
  t.match(await pipeline.sync(), { listed: 25, fates: { fetched: 23, gone: 2, dead: 0 }, addsUp: true })
})

t.test('throttled items wait, use up no attempt and are never dead-lettered', async t => {
  const mailbox = fakeMailbox()
  const pipeline = await startPipeline(redis, mailbox, { settings: { MAX_ATTEMPTS: '1' } })
  t.teardown(() => pipeline.stop())
  mailbox.deliver(20, 4)
  let refusals = 3
  mailbox.before = kind => {
    if (kind === 'fetch' && refusals-- > 0) throw new MailError('throttled', 'slow down', { retryAfterMs: 20 })
  }
  mailbox.calls.length = 0
  t.match(await pipeline.sync(), { listed: 20, fates: { fetched: 20, dead: 0 }, addsUp: true })
  t.same(
    mailbox.calls,
    ['changes', 'fetch 20', 'fetch 20', 'fetch 20', 'fetch 20'],
    'items that waited together are one call again',
  )
  t.same(await pipeline.dead('batch-fetch'), [])
})

t.test('a poison message affects only itself', async t => {
  const mailbox = fakeMailbox()
  const pipeline = await startPipeline(redis, mailbox)
  t.teardown(() => pipeline.stop())
  mailbox.deliver(40, 8)
  mailbox.before = (kind, wanted) => {
    if (kind === 'fetch' && wanted.some(({ id }) => id === 'm7')) throw new MailError('rejected', 'no such format')
  }
  const run = await pipeline.sync()
  t.match(run, { listed: 40, fates: { fetched: 39, dead: 1 }, threads: 8, addsUp: true })
  const [dead, ...others] = await pipeline.dead('batch-fetch')
  t.same(others, [])
  t.match(dead, { stage: 'batch-fetch', stream: 'missing-ids', kind: 'rejected', message: 'no such format' })
  t.match(JSON.parse(dead?.envelope ?? ''), { body: { ids: [{ id: 'm7' }] }, mailbox: ANA })
})

t.test('a failing message is retried, and dead-lettered in the end', async t => {
  const mailbox = fakeMailbox()
  const pipeline = await startPipeline(redis, mailbox, {
    settings: { MAX_ATTEMPTS: '2', RATE_LIMIT_BACKOFF_FACTOR: '1' },
  })
  t.teardown(() => pipeline.stop())
  mailbox.deliver(3, 3)
  let failures = 1
  mailbox.before = kind => {
    if (kind === 'fetch' && failures-- > 0) throw new MailError('unavailable', 'HTTP 503')
  }
  t.match(await pipeline.sync(), { listed: 3, fates: { fetched: 3 }, addsUp: true })
  mailbox.deliver(1)
  failures = Number.POSITIVE_INFINITY
  t.match(await pipeline.sync(), { listed: 1, fates: { dead: 1 }, addsUp: true })
})

t.test('a rejected listing ends its run and frees the mailbox', async t => {
  const mailbox = fakeMailbox()
  const pipeline = await startPipeline(redis, mailbox)
  t.teardown(() => pipeline.stop())
  mailbox.before = kind => {
    if (kind === 'changes') throw new MailError('rejected', 'forbidden')
  }
  t.match(await pipeline.sync(), { failure: 'forbidden', listed: 0 })
  mailbox.before = () => undefined
  mailbox.deliver(2)
  t.match(await pipeline.sync(), { failure: undefined, listed: 2 })
})

t.test('events during a run cause one run after it', async t => {
  const mailbox = fakeMailbox()
  const pipeline = await startPipeline(redis, mailbox)
  t.teardown(() => pipeline.stop())
  await pipeline.sync()
  let release = () => {}
  const gate = new Promise<void>(resolve => {
    release = resolve
  })
  let listings = 0
  mailbox.before = async kind => {
    if (kind === 'changes' && ++listings === 1) await gate
  }
  await pipeline.request()
  await until(() => listings === 1, 'the first run is listing')
  for (let n = 0; n < 10; n += 1) await pipeline.request()
  await until(async () => (await pipeline.app.redis.hget(pipeline.app.keys.mailbox(ANA), 'dirty')) === '1', 'noted')
  mailbox.deliver(4)
  release()
  const runs = await pipeline.quiet()
  t.equal(listings, 2)
  t.match(runs[0], { cause: 'coalesced' })
  t.equal((await pipeline.read(analysisTasks)).length, 4)
})

t.test('a thread with evicted older mail is emitted whole', async t => {
  const mailbox = fakeMailbox()
  const pipeline = await startPipeline(redis, mailbox)
  t.teardown(() => pipeline.stop())
  mailbox.deliver(6, 2)
  await pipeline.sync()
  const { redis: client, keys } = pipeline.app
  await client.del(keys.message(ANA, 'm0'), keys.message(ANA, 'm2'), keys.message(ANA, 'm3'))
  mailbox.calls.length = 0
  mailbox.deliver(1, 2)
  const run = await pipeline.sync()
  t.same(mailbox.calls, ['changes', 'fetch 1', 'fetch 2'], 'only what the grown thread needs is fetched again')
  t.match(run, { listed: 1, context: 2, fates: { fetched: 1 }, threads: 1, tasks: 1, addsUp: true })
  const task = (await pipeline.read(analysisTasks)).at(-1)
  t.same(
    task?.body.messages.map(({ id }) => id),
    ['m0', 'm2', 'm4', 'm6'],
  )
})

t.test('context deleted at the provider is dropped from its thread', async t => {
  const mailbox = fakeMailbox()
  const pipeline = await startPipeline(redis, mailbox)
  t.teardown(() => pipeline.stop())
  mailbox.deliver(3, 1)
  await pipeline.sync()
  await pipeline.app.redis.del(pipeline.app.keys.message(ANA, 'm1'))
  mailbox.remove('m1')
  mailbox.deliver(1, 1)
  await pipeline.sync()
  const task = (await pipeline.read(analysisTasks)).at(-1)
  t.same(
    task?.body.messages.map(({ id }) => id),
    ['m0', 'm2', 'm3'],
  )
})

t.test('mail evicted before ai-dispatch reads it is fetched again', async t => {
  const mailbox = fakeMailbox()
  const pipeline = await startPipeline(redis, mailbox, {
    only: ['list-ids', 'cache-filter', 'batch-fetch', 'merge', 'thread-group'],
  })
  t.teardown(() => pipeline.stop())
  mailbox.deliver(4, 2)
  await pipeline.request()
  await until(async () => (await pipeline.read(threads)).length === 2, 'the threads are out')
  const { redis: client, keys } = pipeline.app
  await client.del(...['m0', 'm1', 'm2', 'm3'].map(id => keys.message(ANA, id)))
  pipeline.start(['ai-dispatch'])
  await until(async () => (await pipeline.read(analysisTasks)).length === 2, 'both tasks are there')
  const [run] = await pipeline.quiet()
  t.match(run, { listed: 4, context: 4, threads: 2, tasks: 2, settled: true, addsUp: true })
  const tasks = await pipeline.read(analysisTasks)
  t.same(
    tasks.map(({ body }) => body.messages.length),
    [2, 2],
  )
})

t.test('a dispatched version is not dispatched again', async t => {
  const mailbox = fakeMailbox()
  const pipeline = await startPipeline(redis, mailbox)
  t.teardown(() => pipeline.stop())
  mailbox.deliver(10, 5)
  await pipeline.sync()
  const { redis: client, keys } = pipeline.app
  await client.hset(keys.mailbox(ANA), 'cursor', 'pinned:0')
  t.match(await pipeline.sync(), { listed: 10, fates: { cached: 10 }, threads: 5, tasks: 0, unchanged: 5 })
  t.equal((await pipeline.read(analysisTasks)).length, 5)
})

t.test('an expired cursor is replaced, and unknown mail is listed', async t => {
  const mailbox = fakeMailbox()
  const pipeline = await startPipeline(redis, mailbox)
  t.teardown(() => pipeline.stop())
  mailbox.deliver(5)
  await pipeline.sync()
  mailbox.deliver(2)
  const { changes } = mailbox
  let expired = true
  mailbox.changes = async (since, page, call) => {
    if (!expired) return changes(since, page, call)
    expired = false
    return { ids: [], gone: [], labels: [], reset: true }
  }
  t.match(await pipeline.sync(), { listed: 2, fates: { fetched: 2 }, tasks: 2, addsUp: true })
})

t.test('a long run emits the threads it has', async t => {
  const mailbox = fakeMailbox(150)
  const pipeline = await startPipeline(redis, mailbox, { settings: { MAX_SYNC_DURATION: '1' } })
  t.teardown(() => pipeline.stop())
  mailbox.deliver(450, 450)
  let listings = 0
  mailbox.before = async kind => {
    if (kind === 'changes' && ++listings === 3)
      await until(async () => (await pipeline.read(threads)).length === 300, 'all threads before the listing ends')
    // Longer the second time, so that the first release is long ago.
    else if (kind === 'changes') await new Promise(resolve => setTimeout(resolve, 1100 * listings ** 2))
  }
  t.match(await pipeline.sync(), { listed: 450, threads: 450, tasks: 450, addsUp: true })
})

t.test('an event for an unconnected mailbox is dropped without a trace', async t => {
  const pipeline = await startPipeline(redis, fakeMailbox())
  t.teardown(() => pipeline.stop())
  const { app } = pipeline
  await app.redis.del(app.keys.mailbox(ANA))
  await pipeline.request()
  await until(async () => (await pipeline.read(watchEvents)).length === 0, 'the event is gone')
  t.same(await pipeline.dead('list-ids'), [])
  t.equal(await readMailbox(app.redis, app.keys, ANA), undefined)
})
