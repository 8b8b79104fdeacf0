import t from 'tap'
import { readDeferred } from '../../shared/redis/deferred.ts'
import { listRuns } from '../../shared/redis/runs.ts'
import { analysisTasks } from '../../shared/streams.ts'
import { fakeMailbox } from '../support/fake-mailbox.ts'
import { ANA, startPipeline } from '../support/pipeline.ts'
import { type CuttingProxy, startProxy } from '../support/proxy.ts'
import { startRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'
import { isIntact } from './support.ts'
import { startWorker } from './worker.ts'

const OTHERS = ['list-ids', 'cache-filter', 'merge', 'thread-group', 'ai-dispatch'] as const
const SETS_ASIDE = /evalsha[\s\S]*"set-aside"/i
const SICK = 'm7'
const redis = await startRedis()
t.teardown(() => redis.stop())

const moments: { what: string; at: (proxy: CuttingProxy) => Promise<void>; isAside: boolean }[] = [
  { what: 'before it sets a message aside', at: proxy => proxy.holdBefore(SETS_ASIDE).struck, isAside: false },
  { what: 'right after', at: proxy => proxy.cutAfter(SETS_ASIDE).struck, isAside: true },
]

for (const { what, at, isAside } of moments) {
  t.test(`the message arrives once when a process is killed ${what}`, async t => {
    const proxy = await startProxy(redis.port)
    const mailbox = fakeMailbox()
    const settings = { LEASE_MS: '60000', RATE_LIMIT_BACKOFF_FACTOR: '1' }
    const pipeline = await startPipeline(redis, mailbox, { only: OTHERS, settings })
    t.teardown(async () => {
      await pipeline.stop()
      await proxy.close()
    })
    mailbox.deliver(60, 12)
    const { redis: client, keys, config } = pipeline.app
    const { REDIS_PREFIX, PARTITIONS } = config
    const worker = await startWorker(t, {
      settings: { ...settings, REDIS_PREFIX, PARTITIONS: `${PARTITIONS}` },
      url: proxy.url,
      messages: 60,
      threads: 12,
      provider: { failsOf: SICK },
    })
    const struck = at(proxy)
    await pipeline.request()
    await struck
    worker.kill('SIGKILL')
    await worker.exited
    t.equal((await readDeferred(client, keys, ANA)).length, isAside ? 1 : 0)
    if (isAside)
      await until(async () => (await listRuns(client, keys, 1))[0]?.settled, 'its run ends without anybody who fetches')
    pipeline.start(['batch-fetch'])
    const [run] = await pipeline.quiet()
    t.match(run, { listed: 60, fates: { fetched: 60, deferred: 0, dead: 0 }, addsUp: true })
    t.same(await readDeferred(client, keys, ANA), [])
    const partial = (await pipeline.read(analysisTasks)).filter(({ body }) => body.omitted.includes(SICK))
    t.equal(partial.length, isAside ? 1 : 0)
    await isIntact(t, pipeline, { messages: 60, tasks: 12 + partial.length })
  })
}
