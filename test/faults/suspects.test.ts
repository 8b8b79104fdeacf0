import t, { type Test } from 'tap'
import { LANES } from '../../shared/envelope.ts'
import { createQueue } from '../../shared/redis/queue.ts'
import { fetchedMessages, missingIds } from '../../shared/streams.ts'
import { fakeMailbox } from '../support/fake-mailbox.ts'
import { ANA, startPipeline, type TestPipeline } from '../support/pipeline.ts'
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

t.test('a message that kills its process is isolated and dead-lettered alone', async t => {
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
  t.match(letter, { kind: 'crashed', message: /died while working on this item alone/ })
  const [run] = await pipeline.quiet()
  t.match(run, { addsUp: true, settled: true, listed: MESSAGES })
})

for (const [deaths, trials] of [
  // Each of three slices is tried whole once.
  [2, 3],
  [4, MESSAGES],
] as const) {
  t.test(`${deaths} unrelated process deaths dead-letter nothing`, async t => {
    const { pipeline, start } = await stage(t, 'silent')
    await pipeline.request()
    for (let death = 0; death < deaths; death += 1) {
      const worker = await start()
      await until(() => worker.asked() > 0, 'it works')
      worker.kill('SIGKILL')
      await worker.exited
    }
    const last = await start()
    last.turn('answers')
    const [run] = await pipeline.quiet()
    t.match(run, { addsUp: true, settled: true, fates: { fetched: MESSAGES, dead: 0 } })
    const said = last.said().filter(text => text.includes('trying it alone')).length
    t.ok(said > 0 && said <= trials, `${said} were tried alone`)
  })
}

t.test('entries only read ahead never become suspects', async t => {
  const mailbox = fakeMailbox()
  const pipeline = await startPipeline(redis, mailbox, { only: OTHERS, settings: { LEASE_MS: '60000' } })
  t.teardown(() => pipeline.stop())
  mailbox.deliver(400, 400)
  const { app } = pipeline
  const { REDIS_PREFIX, PARTITIONS } = app.config
  const settings = { REDIS_PREFIX, PARTITIONS: `${PARTITIONS}`, LEASE_MS: '60000' }
  const task = { settings, url: redis.url, messages: 400, threads: 400, provider: 'silent' as const }
  await pipeline.request()
  const key = app.keys.stream(app.keys.partitionOf(ANA), missingIds.name, 'bulk')
  const begun: number[] = []
  for (let deaths = 0; deaths < 3; deaths += 1) {
    const worker = await startWorker(t, task)
    await until(() => worker.asked() > 0, 'it works')
    await until(async () => (await pending(key)).length === 9, 'and has read ahead')
    worker.kill('SIGKILL')
    await worker.exited
    const counts = (await pending(key)).map(([, , , deliveries]) => deliveries)
    begun.push(counts.filter(count => count > 1).length)
    t.ok(Math.min(...counts) === 1, 'what was read ahead counts as read')
  }
  // Three slots: the first two processes die on the same three slices, the third has three more beside those suspects.
  t.same(
    begun.filter((count, death) => count > (death < 2 ? 3 : 6)),
    [],
    `${begun} of nine had begun`,
  )
  const last = await startWorker(t, { ...task, provider: 'answers' })
  await pipeline.quiet()
  const trials = last.said().filter(text => text.includes('trying it alone')).length
  t.ok(trials <= 3 * 20, `${trials} ids were tried alone`)
  await pipeline.stopStages()

  async function pending(stream: string) {
    return (await redis.client.xpending(stream, 'batch-fetch', '-', '+', 100)) as [string, string, number, number][]
  }
})

t.test('lost connections, renewed leases and orderly stops are no deaths', async t => {
  const { live, write, got, keys, queue, reader } = await startReading(t, redis, { consumer: 'a:1:x' })
  await write(live, 3)
  await until(() => got.length === 3, 'all are read')
  for (let again = 0; again < 5; again += 1) {
    t.same(
      (await queue.readOwn(live, '0', 10)).entries.map(({ deliveries }) => deliveries),
      [1, 1, 1],
    )
    await queue.renewLease(
      live,
      got.map(({ entryId }) => entryId),
    )
  }
  reader.stop()
  await queue.shutdown()
  const next = createQueue({
    redis: redis.client,
    keys,
    stage: 'merge',
    streams: ['cached-messages'],
    consumer: 'b:2:y',
    now: Date.now,
  })
  t.same(
    (await next.reclaim(60_000, 10, LANES)).entries.map(({ deliveries }) => deliveries),
    [1, 1, 1],
  )
  await next.inherit(() => true)
})

t.test('a death counts against work in progress, not against read-ahead', async t => {
  const { live, write, keys, got } = await startReading(t, redis, { consumer: 'idle:1:x' })
  const queueOf = (consumer: string) =>
    createQueue({ redis: redis.client, keys, stage: 'merge', streams: ['cached-messages'], consumer, now: Date.now })
  await write(live, 2)
  await until(() => got.length === 2, 'both are read')
  const counts: unknown[] = []
  for (let turn = 0; turn < 4; turn += 1) {
    const queue = queueOf(`elsewhere:${turn}:a`)
    const { entries } = await queue.reclaim(0, 10, LANES)
    counts.push(entries.map(({ deliveries }) => deliveries))
    const [first] = entries
    if (!first) throw new Error('nothing was taken over')
    if (turn < 2) t.same(await queue.begin(live, [first.entryId]), [], 'it is ours')
    else if (turn === 2) counts.push(await queue.tryAlone(first))
  }
  t.same(counts, [[1, 1], [2, 1], [3, 1], 4, [4, 1]])
})

/** Starts five stages here, and batch-fetch in separate processes. */
async function stage(t: Test, provider: Provider): Promise<{ pipeline: TestPipeline; start: () => Promise<Worker> }> {
  const mailbox = fakeMailbox()
  const pipeline = await startPipeline(redis, mailbox, { only: OTHERS, settings: { LEASE_MS: '60000' } })
  t.teardown(() => pipeline.stop())
  mailbox.deliver(MESSAGES, 9)
  const { REDIS_PREFIX, PARTITIONS } = pipeline.app.config
  const settings = { REDIS_PREFIX, PARTITIONS: `${PARTITIONS}`, LEASE_MS: '60000' }
  const task = { settings, url: redis.url, messages: MESSAGES, threads: 9, provider }
  return { pipeline, start: () => startWorker(t, task) }
}
