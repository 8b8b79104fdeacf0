import t, { type Test } from 'tap'
import { createQueue } from '../../shared/redis/queue.ts'
import { fetchedMessages } from '../../shared/streams.ts'
import { fakeMailbox } from '../support/fake-mailbox.ts'
import { startPipeline, type TestPipeline } from '../support/pipeline.ts'
import { startRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'
import { startReading } from './support.ts'
import { type Provider, startWorker, type Worker } from './worker.ts'

const OTHERS = ['list-ids', 'cache-filter', 'merge', 'thread-group', 'ai-dispatch'] as const
const MESSAGES = 45
const POISON = 'm27'
const redis = await startRedis()
t.teardown(() => redis.stop())
t.beforeEach(() => redis.client.flushall())

t.test(
  'a message that kills whoever fetches it is found in its batch, tried alone and given up; all others are done',
  async t => {
    const { pipeline, start } = await stage(t, { diesOf: POISON })
    await pipeline.request()
    let deaths = 0
    for (let worker: Worker | undefined = await start(); worker; ) {
      const over = pipeline.quiet().then(() => 'quiet' as const)
      over.catch(() => undefined)
      if ((await Promise.race([over, worker.exited])) === 'quiet') break
      deaths += 1
      worker = deaths < 12 ? await start() : undefined
    }
    t.ok(deaths >= 5 && deaths <= 6, `twice among others, three times alone: ${deaths} deaths`)
    const fates = (await pipeline.read(fetchedMessages)).map(({ body }) => ({ id: body.id, fate: body.fate }))
    t.equal(fates.length, MESSAGES, 'each has a fate')
    t.same(
      fates.filter(({ fate }) => fate !== 'fetched'),
      [{ id: POISON, fate: 'dead' }],
    )
    const [letter] = await pipeline.dead('batch-fetch')
    t.match(letter, { kind: 'crashed', message: /died while they worked on this alone/ })
    const [run] = await pipeline.quiet()
    t.match(run, { addsUp: true, settled: true, listed: MESSAGES })
  },
)

t.test('processes that die for reasons of their own give nothing up', async t => {
  const { pipeline, start } = await stage(t, 'silent')
  await pipeline.request()
  for (let deaths = 0; deaths < 4; deaths += 1) {
    const worker = await start()
    await until(() => worker.asked() > 0, 'it works')
    worker.kill('SIGKILL')
    await worker.exited
  }
  const last = await start()
  last.turn('answers')
  const [run] = await pipeline.quiet()
  t.match(run, { addsUp: true, settled: true, fates: { fetched: MESSAGES, dead: 0 } })
})

t.test('a lost connection, a lease that was renewed and an orderly stop count as no death', async t => {
  const { live, write, got, keys, queue, reader } = await startReading(t, redis, { consumer: 'a:1:x' })
  await write(live, 3)
  await until(() => got.length === 3, 'all are read')
  for (let again = 0; again < 5; again += 1) {
    t.same(
      (await queue.readOwn(live, '0', 10)).entries.map(({ deliveries }) => deliveries),
      [1, 1, 1],
    )
    await queue.hold(
      live,
      got.map(({ entryId }) => entryId),
    )
  }
  reader.stop()
  await queue.leave()
  const next = createQueue({
    redis: redis.client,
    keys,
    stage: 'merge',
    streams: ['cached-messages'],
    consumer: 'b:2:y',
    now: Date.now,
  })
  t.same(
    (await next.reclaim(60_000, 10)).entries.map(({ deliveries }) => deliveries),
    [1, 1, 1],
  )
  await next.inherit(() => true)
})

t.test('takeovers count up to suspicion and no further; what is tried alone counts for itself', async t => {
  const { live, write, keys } = await startReading(t, redis, { consumer: 'idle:1:x' })
  const queueOf = (consumer: string) =>
    createQueue({ redis: redis.client, keys, stage: 'merge', streams: ['cached-messages'], consumer, now: Date.now })
  await queueOf('elsewhere:0:a').createGroups()
  await write(live, 2)
  await until(async () => (await pending()).length === 2, 'both are read')
  const counts: unknown[] = []
  for (let turn = 0; turn < 4; turn += 1) {
    const queue = queueOf(`elsewhere:${turn}:a`)
    const { entries } = await queue.reclaim(0, 10)
    counts.push(entries.map(({ deliveries }) => deliveries))
    if (turn === 2 && entries[0]) counts.push(await queue.tryAlone(entries[0]))
  }
  t.same(counts, [[2, 2], [3, 3], [3, 3], 4, [4, 3]])

  async function pending(): Promise<unknown[]> {
    return redis.client.xpending(live, 'merge', '-', '+', 10)
  }
})

/** Five stages here, batch-fetch in processes of its own. */
async function stage(t: Test, provider: Provider): Promise<{ pipeline: TestPipeline; start: () => Promise<Worker> }> {
  const mailbox = fakeMailbox()
  const pipeline = await startPipeline(redis, mailbox, { only: OTHERS, settings: { LEASE_MS: '60000' } })
  t.teardown(() => pipeline.stop())
  mailbox.deliver(MESSAGES, 9)
  const { REDIS_PREFIX, PARTITIONS } = pipeline.office.config
  const settings = { REDIS_PREFIX, PARTITIONS: `${PARTITIONS}`, LEASE_MS: '60000' }
  const task = { settings, url: redis.url, messages: MESSAGES, threads: 9, provider }
  return { pipeline, start: () => startWorker(t, task) }
}
