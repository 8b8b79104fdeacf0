import t, { type Test } from 'tap'
import { MailError } from '../../shared/error.ts'
import { fetchedMessages, missingIds } from '../../shared/streams.ts'
import { batchFetch } from '../../stages/batch-fetch.ts'
import { fakeMailbox } from '../support/fake-mailbox.ts'
import { startPipeline, type TestPipeline } from '../support/pipeline.ts'
import { startRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'
import { balanceOf } from './balance.ts'
import { isIntact, startBeside } from './support.ts'
import { type Provider, startWorker } from './worker.ts'

const LEASE_MS = 600
const OTHERS = ['list-ids', 'cache-filter', 'merge', 'thread-group', 'ai-dispatch'] as const
const redis = await startRedis()
t.teardown(() => redis.stop())
t.beforeEach(() => redis.client.flushall())

t.test('a hanging handler blocks only its batch and is abandoned at a stop', async t => {
  const { pipeline, mailbox } = await stand(t)
  mailbox.deliver(100, 20)
  let calls = 0
  mailbox.before = kind => (kind === 'fetch' && ++calls === 1 ? new Promise(() => {}) : undefined)
  const { stop, lines } = startBeside(t, pipeline, mailbox, [batchFetch])
  await pipeline.request()
  await until(async () => (await balanceOf(pipeline)).done === 80, 'the others are done')
  const other = await startWorker(t, { settings: settingsOf(pipeline), url: redis.url, messages: 100, threads: 20 })
  const begun = performance.now()
  await until(() => performance.now() - begun > 2 * LEASE_MS, 'two leases')
  t.same(await balanceOf(pipeline), { astray: [], done: 80, delayed: 0, inWork: 20, unread: 0 }, 'it keeps what it has')
  t.equal(other.asked(), 0, 'and no other consumer gets it')
  await until(() => lines.some(({ text }) => text.startsWith('batch is still running')), 'it is logged')
  const stopping = performance.now()
  await stop(300)
  t.ok(performance.now() - stopping < 3000, 'it stops in time all the same')
  await pipeline.quiet()
  t.equal(other.asked(), 1, 'then another has it')
  await isIntact(t, pipeline, { messages: 100, tasks: 20 })
})

t.test('a synchronously throwing handler isolates its item like a rejecting one', async t => {
  const { pipeline, mailbox } = await stand(t)
  mailbox.deliver(40, 8)
  const throws: typeof batchFetch = {
    ...batchFetch,
    handle(batch, ctx) {
      if (batch.items.some(({ body }) => body.id === 'm7')) throw new TypeError('a fault of ours')
      return batchFetch.handle(batch, ctx)
    },
  }
  const { lines } = startBeside(t, pipeline, mailbox, [throws])
  t.match(await pipeline.sync(), { listed: 40, fates: { fetched: 39, dead: 1 }, threads: 8, tasks: 8, addsUp: true })
  const [letter, ...others] = await pipeline.dead('batch-fetch')
  t.same(others, [])
  t.match(letter, { kind: 'unavailable', message: 'a fault of ours' })
  t.match(JSON.parse(letter?.envelope ?? ''), { body: { ids: [{ id: 'm7' }] } })
  t.same((await balanceOf(pipeline)).astray, [])
  await isIntact(t, pipeline, { messages: 40, tasks: 8 })
  t.equal(lines.filter(({ level }) => level === 'error').length, 1)
})

t.test('a handler that returns copies of its items fails loudly', async t => {
  const { pipeline, mailbox } = await stand(t)
  mailbox.deliver(5, 1)
  const copies: typeof batchFetch = {
    ...batchFetch,
    async handle(batch, ctx) {
      const outcome = await batchFetch.handle(batch, ctx)
      return { deliveries: (outcome.deliveries ?? []).map(one => ({ ...one, from: { ...one.from } })) }
    },
  }
  startBeside(t, pipeline, mailbox, [copies])
  t.match(await pipeline.sync(), { listed: 5, fates: { dead: 5 }, addsUp: true })
  t.match(await pipeline.dead('batch-fetch'), [
    { message: /is not an item of its batch; a stage must return the same item objects/ },
  ])
})

t.test('handlers that fail at a stop hand their work back unchanged', async t => {
  const { pipeline, worker } = await withWorker(t, { failsAfterStopMs: 0 })
  worker.kill('SIGTERM')
  t.equal(await worker.exited, 0)
  pipeline.start(['batch-fetch'])
  await pipeline.quiet()
  await isIntact(t, pipeline, { messages: 60, tasks: 12 })
  const attempts = (await pipeline.read(missingIds)).map(({ attempt }) => attempt)
  t.same(
    attempts.filter(attempt => attempt > 0),
    [],
    'no attempt was spent',
  )
})

t.test('handlers that fail long after a stop write nothing', async t => {
  const { pipeline, mailbox } = await stand(t)
  mailbox.deliver(60, 12)
  const failures: ((error: Error) => void)[] = []
  mailbox.before = kind => (kind === 'fetch' ? new Promise((_, reject) => failures.push(reject)) : undefined)
  const { lines, stop } = startBeside(t, pipeline, mailbox, [batchFetch])
  await pipeline.request()
  await until(() => failures.length === 3, 'sixty are in work')
  await stop(0)
  const reported = lines.length
  for (const fail of failures) fail(new MailError('rejected', 'too late'))
  t.same(await balanceOf(pipeline), { astray: [], done: 0, delayed: 0, inWork: 60, unread: 0 })
  mailbox.before = () => undefined
  pipeline.start(['batch-fetch'])
  await pipeline.quiet()
  await isIntact(t, pipeline, { messages: 60, tasks: 12 })
  t.ok((await pipeline.read(fetchedMessages)).every(({ body }) => body.fate === 'fetched'))
  t.same(await pipeline.dead('batch-fetch'), [])
  t.equal(lines.length, reported, 'and nothing is logged')
})

/** Starts five stages with short leases and a single attempt. */
async function stand(t: Test) {
  const mailbox = fakeMailbox()
  const settings = { LEASE_MS: `${LEASE_MS}`, MAX_ATTEMPTS: '1' }
  const pipeline = await startPipeline(redis, mailbox, { only: OTHERS, settings })
  t.teardown(() => pipeline.stop())
  return { pipeline, mailbox }
}

/** Starts the same with batch-fetch in its own process and sixty messages in work. */
async function withWorker(t: Test, provider: Provider) {
  const { pipeline, mailbox } = await stand(t)
  mailbox.deliver(60, 12)
  const settings = { ...settingsOf(pipeline), LEASE_MS: '60000', DRAIN_MS: '100' }
  const worker = await startWorker(t, { settings, url: redis.url, messages: 60, threads: 12, provider })
  await pipeline.request()
  await until(() => worker.asked() === 3, 'sixty are in work')
  return { pipeline, worker }
}

function settingsOf({ app }: TestPipeline): Record<string, string> {
  const { REDIS_PREFIX, PARTITIONS } = app.config
  return { REDIS_PREFIX, PARTITIONS: `${PARTITIONS}`, LEASE_MS: `${LEASE_MS}`, MAX_ATTEMPTS: '1' }
}
