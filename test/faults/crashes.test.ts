import t, { type Test } from 'tap'
import { fakeMailbox } from '../support/fake-mailbox.ts'
import { startPipeline, type TestPipeline } from '../support/pipeline.ts'
import { type CuttingProxy, startProxy } from '../support/proxy.ts'
import { startRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'
import { COMMIT, isIntact } from './support.ts'
import { startWorker, type Worker } from './worker.ts'

const OTHERS = ['list-ids', 'cache-filter', 'merge', 'thread-group', 'ai-dispatch'] as const
const READ = /xreadgroup[\s\S]*block/i
const redis = await startRedis()
t.teardown(() => redis.stop())
t.beforeEach(() => redis.client.flushall())

interface Stand {
  pipeline: TestPipeline
  proxy: CuttingProxy
  worker: Worker
  struck: Promise<void> | undefined
}

const moments: {
  what: string
  /** Planned before the worker starts, because its first blocking read would otherwise be in flight. */
  planned?: (proxy: CuttingProxy) => Promise<void>
  worker: Partial<Parameters<typeof startWorker>[1]>
  at?: (stand: Stand) => () => Promise<unknown>
}[] = [
  {
    what: 'before its work reached it',
    worker: {},
    planned: proxy => proxy.cutAfter(READ, { leastReplyBytes: 150 }).struck,
  },
  {
    what: 'before it asked the provider',
    worker: { provider: 'silent', shows: 'before' },
    at:
      ({ worker }) =>
      () =>
        until(() => worker.asked() > 0, 'it is about to ask'),
  },
  {
    what: 'when the provider has answered',
    worker: { provider: 'silent', shows: 'after' },
    at:
      ({ worker }) =>
      () =>
        until(() => worker.answered() > 0, 'it has the answer'),
  },
  {
    what: 'before its commit',
    worker: {},
    at: ({ proxy }) => {
      const { struck } = proxy.holdBefore(COMMIT)
      return () => struck
    },
  },
  {
    what: 'after its commit',
    worker: {},
    at: ({ proxy }) => {
      const { struck } = proxy.cutAfter(COMMIT)
      return () => struck
    },
  },
]

for (const { what, worker: task, at, planned } of moments) {
  t.test(`another process takes over at once from one killed ${what}`, async t => {
    const stand = await stage(t, task, planned)
    const { pipeline, worker } = stand
    const moment = at?.(stand)
    await pipeline.request()
    await (moment ? moment() : stand.struck)
    worker.kill('SIGKILL')
    await worker.exited
    pipeline.start(['batch-fetch'])
    await pipeline.quiet()
    await isIntact(t, pipeline, { messages: 60, tasks: 12 })
  })
}

t.test('a repeatedly killed process loses and doubles nothing', async t => {
  const { pipeline, worker: first, start } = await stage(t, { provider: { afterMs: 100 } })
  await pipeline.request()
  let worker = first
  for (let kills = 0; kills < 5; kills += 1) {
    await until(() => worker.asked() > 0, 'it works')
    worker.kill('SIGKILL')
    await worker.exited
    worker = await start()
  }
  await pipeline.quiet()
  await isIntact(t, pipeline, { messages: 60, tasks: 12 })
})

/** Starts five stages here and batch-fetch in its own process behind a proxy; leases are too long to expire in the test. */
async function stage(
  t: Test,
  task: Partial<Parameters<typeof startWorker>[1]>,
  planned?: (proxy: CuttingProxy) => Promise<void>,
) {
  const proxy = await startProxy(redis.port)
  const struck = planned?.(proxy)
  const mailbox = fakeMailbox()
  const pipeline = await startPipeline(redis, mailbox, { only: OTHERS, settings: { LEASE_MS: '60000' } })
  t.teardown(async () => {
    await pipeline.stop()
    await proxy.close()
  })
  mailbox.deliver(60, 12)
  const { REDIS_PREFIX, PARTITIONS } = pipeline.app.config
  const settings = { REDIS_PREFIX, PARTITIONS: `${PARTITIONS}`, LEASE_MS: '60000' }
  const start = () => startWorker(t, { settings, url: proxy.url, messages: 60, threads: 12, ...task })
  return { pipeline, proxy, start, struck, worker: await start() }
}
