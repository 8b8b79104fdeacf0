import t from 'tap'
import { MailError } from '../../../shared/error.ts'
import { analysisTasks } from '../../../shared/streams.ts'
import { fakeMailbox } from '../../support/fake-mailbox.ts'
import { ANA, startPipeline } from '../../support/pipeline.ts'
import { startRedis } from '../../support/redis.ts'

const redis = await startRedis()
t.teardown(() => redis.stop())

/** Syncs twelve messages in four threads from a provider that lost its history and lists five messages a page. */
async function forgotten(t: { teardown(done: () => unknown): void }) {
  const mailbox = fakeMailbox(5)
  const pipeline = await startPipeline(redis, mailbox)
  t.teardown(() => pipeline.stop())
  mailbox.deliver(12, 4)
  await pipeline.sync()
  const { changes } = mailbox
  let expired = true
  mailbox.changes = async (since, page, call) => {
    if (!expired) return changes(since, page, call)
    expired = false
    return { ids: [], gone: [], labels: [], reset: true }
  }
  mailbox.calls.length = 0
  const { redis: client, keys } = pipeline.app
  return {
    mailbox,
    pipeline,
    client,
    keys,
    expire: () => {
      expired = true
    },
    threadsOf: async (from: number) => (await pipeline.read(analysisTasks)).slice(from).map(({ body }) => body.thread),
  }
}

t.test('a resync finds additions and deletions and emits only changed threads', async t => {
  const { mailbox, pipeline, threadsOf } = await forgotten(t)
  mailbox.remove('m1')
  mailbox.remove('m6')
  mailbox.deliver(1, 4)
  const run = await pipeline.sync()
  t.match(run, { listed: 1, deleted: 2, context: 2, fates: { fetched: 1 }, threads: 3, tasks: 3, addsUp: true })
  t.same((await threadsOf(4)).sort(), ['t0', 't1', 't2'])
  t.same(mailbox.calls.sort(), ['changes', 'changes', 'changes', 'fetch 1', 'fetch 2', 'open'])
  mailbox.calls.length = 0
  t.match(await pipeline.sync(), { listed: 0, deleted: 0, tasks: 0 })
  t.same(mailbox.calls, ['changes'], 'it continues from a new cursor')
})

t.test('a resync without changes fetches and emits nothing', async t => {
  const { mailbox, pipeline, client, keys } = await forgotten(t)
  const run = await pipeline.sync()
  t.match(run, { listed: 0, deleted: 0, context: 0, threads: 0, tasks: 0, addsUp: true })
  t.same(mailbox.calls, ['open', 'changes', 'changes', 'changes'])
  t.equal(await client.exists(keys.runSuspects(keys.partitionOf(ANA), run.run)), 0, 'nothing of it is left')
})

t.test('a message that only seems deleted stays in its thread', async t => {
  const { mailbox, pipeline, client, keys } = await forgotten(t)
  const { changes } = mailbox
  mailbox.changes = async (...of) => {
    const page = await changes(...of)
    return page.present ? { ...page, present: page.present.filter(({ id }) => id !== 'm3') } : page
  }
  t.match(await pipeline.sync(), { deleted: 0, context: 1, threads: 0, tasks: 0, addsUp: true })
  t.equal(await client.hexists(keys.thread(ANA, 't3'), 'id:m3'), 1)
})

t.test('an unverifiable message stays in its thread', async t => {
  const { mailbox, pipeline, client, keys } = await forgotten(t)
  mailbox.remove('m3')
  mailbox.before = kind => {
    if (kind === 'fetch') throw new MailError('rejected', 'no')
  }
  t.match(await pipeline.sync(), { deleted: 0, threads: 0, tasks: 0, settled: true })
  t.equal(await client.hexists(keys.thread(ANA, 't3'), 'id:m3'), 1)
  t.equal((await pipeline.dead('batch-fetch')).length, 1)
})

t.test('an interrupted verification keeps the cursor, and the next run repeats it', async t => {
  const { mailbox, pipeline, client, keys, expire } = await forgotten(t)
  const cursor = () => client.hget(keys.mailbox(ANA), 'cursor')
  const before = await cursor()
  mailbox.remove('m2')
  mailbox.deliver(5)
  const { changes } = mailbox
  mailbox.changes = async (since, page, call) => {
    if (page !== undefined) throw new MailError('rejected', 'no more pages')
    return changes(since, page, call)
  }
  t.match(await pipeline.sync(), { failure: 'no more pages' })
  t.equal(await cursor(), before)
  const suspects = await client.keys('*:suspects')
  t.same(suspects, [], 'a finished run makes no suspects')
  mailbox.changes = changes
  expire()
  t.match(await pipeline.sync(), { failure: undefined, deleted: 1 })
  t.not(await cursor(), before)
})

t.test('suspects beyond one page are verified page by page', async t => {
  const mailbox = fakeMailbox()
  const pipeline = await startPipeline(redis, mailbox)
  t.teardown(() => pipeline.stop())
  const ids = mailbox.deliver(1100, 550)
  await pipeline.sync()
  for (const id of ids.slice(0, 1050)) mailbox.remove(id)
  const { changes } = mailbox
  let expired = true
  mailbox.changes = async (since, page, call) => {
    if (!expired) return changes(since, page, call)
    expired = false
    return { ids: [], gone: [], labels: [], reset: true }
  }
  t.match(await pipeline.sync(), { listed: 0, deleted: 1050, context: 1050, threads: 50, tasks: 50, addsUp: true })
})
