import t from 'tap'
import { connectMailbox, postWatchEvent, readMailbox } from '../../../shared/redis/mailboxes.ts'
import { removeMailbox } from '../../../shared/redis/remove.ts'
import { readRun } from '../../../shared/redis/runs.ts'
import { fakeMailbox } from '../../support/fake-mailbox.ts'
import { everything } from '../../support/keyspace.ts'
import { ANA, startPipeline, type TestPipeline } from '../../support/pipeline.ts'
import { startCluster } from '../../support/redis.ts'
import { until } from '../../support/until.ts'

const redis = await startCluster()
t.teardown(() => redis.stop())
t.beforeEach(() => redis.client.flushall())

for (const after of [1, 3, 8, 14]) {
  t.test(`removed during a sync, after ${after} fetches: in-flight work has no effect`, async t => {
    const { pipeline, mailbox } = await busy(after)
    t.teardown(() => pipeline.stop())
    const { redis: client, keys } = pipeline.app
    await until(() => mailbox.calls.length > after, 'it is in the middle')
    const removed = await removeMailbox(client, keys, ANA)
    t.ok(removed.keys > 0)
    await until(async () => (await leftOf()).length === 0, 'nothing is left').catch(async () =>
      t.same(await leftOf(), []),
    )
    // No stage has anything of the mailbox in flight, so nothing can reappear.
    await pipeline.stopStages()
    t.same(await leftOf(), [])
    t.same(await removeMailbox(client, keys, ANA), { keys: 0, entries: 0, waiting: 0 })
  })
}

for (const stream of ['analysis-tasks', 'analysis-results']) {
  t.test(`${stream} of a mailbox are removed with it, also where a worker has not read them`, async t => {
    const pipeline = await startPipeline(redis, fakeMailbox(), { only: [] })
    t.teardown(() => pipeline.stop())
    const { redis: client, keys } = pipeline.app
    const bodies = [ANA, 'gmail:bo@example.com'].map(mailbox => JSON.stringify({ mailbox, body: { output: {} } }))
    for (const lane of ['live', 'bulk'] as const) {
      const key = keys.stream(keys.partitionOf(ANA), stream, lane)
      await client.xgroup('CREATE', key, 'workers', '0', 'MKSTREAM')
      for (const envelope of bodies) await client.xadd(key, '*', 'envelope', envelope)
    }
    await removeMailbox(client, keys, ANA)
    const left = (await everything(redis)).filter(text => text.includes(`:s:${stream}`))
    t.equal(left.length, 2)
    t.ok(left.every(text => text.includes('gmail:bo@example.com') && !text.includes(ANA)))
  })
}

t.test('a mailbox removed and reconnected during a sync starts clean', async t => {
  const { pipeline, mailbox } = await busy(5)
  t.teardown(() => pipeline.stop())
  const { redis: client, keys, now } = pipeline.app
  await until(() => mailbox.calls.length > 5, 'it is in the middle')
  const before = (await readMailbox(client, keys, ANA))?.activeRun ?? ''
  await removeMailbox(client, keys, ANA)
  await connectMailbox(client, keys, ANA, 'pinned:0:0', now())
  const run = await pipeline.sync()
  t.match(run, { listed: 300, threads: 60, tasks: 60, addsUp: true })
  t.equal(await readRun(client, keys, keys.partitionOf(ANA), before), undefined)
  const runs = (await everything(redis)).filter(text => /:run:/.test(text) && text.includes(before))
  t.same(runs, [])
})

t.test('an old watch event starts no run of a reconnected mailbox', async t => {
  const pipeline = await startPipeline(redis, fakeMailbox(), { only: [] })
  t.teardown(() => pipeline.stop())
  const { redis: client, keys, now } = pipeline.app
  await pipeline.request()
  const writtenAt = await serverMs()
  // Within one millisecond, before and after cannot be distinguished.
  await until(async () => (await serverMs()) > writtenAt, 'time passes')
  await removeMailbox(client, keys, ANA)
  await connectMailbox(client, keys, ANA, 'pinned:0:0', now())
  pipeline.start()
  const fresh = await postWatchEvent(client, keys, ANA, { run: 'fresh', at: now(), body: { cause: 'request' } })
  const runs = await pipeline.quiet()
  const [run, ...others] = runs
  t.same(others, [], 'one run')
  // The next run answers an event that arrived beside a dropped one.
  t.ok(run?.run === fresh || run?.cause === 'coalesced', `cause ${run?.cause}`)
  t.equal((await readMailbox(client, keys, ANA))?.activeRun, undefined)
})

/** Connects a mailbox of 300 messages that syncs slowly. */
async function busy(after: number): Promise<{ pipeline: TestPipeline; mailbox: ReturnType<typeof fakeMailbox> }> {
  const mailbox = fakeMailbox(50)
  const pipeline = await startPipeline(redis, mailbox)
  mailbox.deliver(300, 60)
  mailbox.before = () => (mailbox.calls.length > after ? new Promise(resolve => setTimeout(resolve, 100)) : undefined)
  await pipeline.request()
  return { pipeline, mailbox }
}

/** Returns every key and entry of the mailbox or its runs. */
async function leftOf(): Promise<string[]> {
  const texts = await everything(redis)
  return texts.filter(
    text => text.includes(ANA) || /:(run|window|msg|thread|parked):/.test(text.split(' ', 1)[0] ?? ''),
  )
}

async function serverMs(): Promise<number> {
  const [seconds, micros] = await redis.client.time()
  return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000)
}
