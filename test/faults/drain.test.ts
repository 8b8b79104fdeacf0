import t, { type Test } from 'tap'
import { fakeMailbox } from '../support/fake-mailbox.ts'
import { ANA, startPipeline, type TestPipeline } from '../support/pipeline.ts'
import { startProxy } from '../support/proxy.ts'
import { startRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'
import { isIntact } from './support.ts'
import { type Provider, startWorker } from './worker.ts'

const OTHERS = ['list-ids', 'cache-filter', 'merge', 'thread-group', 'ai-dispatch'] as const
const redis = await startRedis()
t.teardown(() => redis.stop())
t.beforeEach(() => redis.client.flushall())

t.test('a stopping process finishes sixty messages in work', async t => {
  const { pipeline, worker } = await busy(t, { provider: { afterMs: 700 }, drainMs: 10_000 })
  worker.kill('SIGTERM')
  t.equal(await worker.exited, 0)
  t.equal(await inWork(pipeline), 0, 'nothing is left behind')
  t.equal(worker.answered(), 3)
  await pipeline.quiet()
  await isIntact(t, pipeline, { messages: 60, tasks: 12 })
})

t.test('an unfinished stop hands work back to another process at once', async t => {
  const { pipeline, worker, mailbox } = await busy(t, { provider: 'silent', drainMs: 300 })
  pipeline.start(['batch-fetch'])
  await until(async () => (await readers(pipeline)) === 2, 'the other is waiting for work')
  const begun = performance.now()
  worker.kill('SIGTERM')
  t.equal(await worker.exited, 0)
  const ended = performance.now()
  t.ok(ended - begun < 3000, `it took ${Math.round(ended - begun)} ms to stop`)
  await until(() => mailbox.calls.filter(call => call.startsWith('fetch')).length === 3, 'the other works')
  t.ok(performance.now() - ended < 2000, 'though its lease is a minute')
  await pipeline.quiet()
  await isIntact(t, pipeline, { messages: 60, tasks: 12 })
})

t.test('a second signal ends a process, and its work is taken over', async t => {
  const { pipeline, worker } = await busy(t, { provider: 'silent', drainMs: 60_000 })
  worker.kill('SIGTERM')
  await until(() => worker.said().some(text => text.startsWith('Finishing')), 'it stops')
  const begun = performance.now()
  worker.kill('SIGTERM')
  t.equal(await worker.exited, 143)
  t.ok(performance.now() - begun < 1000)
  pipeline.start(['batch-fetch'])
  await pipeline.quiet()
  await isIntact(t, pipeline, { messages: 60, tasks: 12 })
})

t.test('a process without Redis also stops in time', async t => {
  const proxy = await startProxy(redis.port)
  t.teardown(() => proxy.close())
  const { pipeline, worker } = await busy(t, { provider: 'silent', drainMs: 500, url: proxy.url })
  proxy.refuse()
  await until(() => proxy.refused() > 0, 'it is cut off')
  worker.turn('answers')
  const begun = performance.now()
  worker.kill('SIGTERM')
  t.equal(await worker.exited, 0)
  t.ok(performance.now() - begun < 5000, `it took ${Math.round(performance.now() - begun)} ms`)
  pipeline.start(['batch-fetch'])
  await pipeline.quiet()
  await isIntact(t, pipeline, { messages: 60, tasks: 12 })
})

/** Starts five stages here, and batch-fetch in its own process with sixty messages in work; leases are too long to expire in the test. */
async function busy(t: Test, options: { provider: Provider; drainMs: number; url?: string }) {
  const { provider, drainMs, url = redis.url } = options
  const mailbox = fakeMailbox()
  const pipeline = await startPipeline(redis, mailbox, { only: OTHERS, settings: { LEASE_MS: '60000' } })
  t.teardown(() => pipeline.stop())
  mailbox.deliver(60, 12)
  const { REDIS_PREFIX, PARTITIONS } = pipeline.app.config
  const settings = { REDIS_PREFIX, PARTITIONS: `${PARTITIONS}`, LEASE_MS: '60000', DRAIN_MS: `${drainMs}` }
  const worker = await startWorker(t, { settings, url, messages: 60, threads: 12, provider })
  await pipeline.request()
  await until(() => worker.asked() === 3, 'sixty are in work')
  return { mailbox, pipeline, worker }
}

async function inWork({ app: { keys } }: TestPipeline): Promise<number> {
  const key = keys.stream(keys.partitionOf(ANA), 'missing-ids', 'bulk')
  return Number(((await redis.client.xpending(key, 'batch-fetch')) as unknown[])[0])
}

/** Counts the consumers of batch-fetch that block in a read. */
async function readers({ app: { keys } }: TestPipeline): Promise<number> {
  const [first = 'p00'] = keys.partitions
  const name = `batch-fetch@${keys.stream(first, 'missing-ids', 'live')}`
  const clients = String(await redis.client.client('LIST')).split('\n')
  return clients.filter(line => line.includes(` name=${name} `) && line.includes('cmd=xreadgroup')).length
}
