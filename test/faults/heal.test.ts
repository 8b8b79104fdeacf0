import t, { type Test } from 'tap'
import { requestSync } from '../../pipeline/accounts/request-sync.ts'
import { createLog } from '../../pipeline/base/log.ts'
import { STAGES } from '../../pipeline/base/stages.ts'
import { type Keeper, startKeeper } from '../../pipeline/keeper/keeper.ts'
import { LANES } from '../../shared/envelope.ts'
import { MailError } from '../../shared/error.ts'
import { readBacklog } from '../../shared/redis/backlog.ts'
import { listDead, redriveDead } from '../../shared/redis/dead.ts'
import { STAGE_NAMES } from '../../shared/stage.ts'
import { analysisTasks, missingIds } from '../../shared/streams.ts'
import { type FakeMailbox, fakeMailbox } from '../support/fake-mailbox.ts'
import { ANA, startPipeline, type TestPipeline } from '../support/pipeline.ts'
import { startRedis } from '../support/redis.ts'
import { type Snapshot, takeSnapshot } from '../support/snapshot.ts'
import { hidden } from '../support/surroundings.ts'
import { until } from '../support/until.ts'

const INTERVAL_MS = 100

const redis = await startRedis()
t.teardown(() => redis.stop())

t.test('a mailbox restored to before an in-flight event lists again', async t => {
  const { pipeline, mailbox, keep } = await started(t)
  mailbox.deliver(3)
  await pipeline.sync()
  const before = await takeSnapshot(redis.client, pipeline.app.config.REDIS_PREFIX)
  mailbox.deliver(2)
  let calls = 0
  mailbox.before = async kind => {
    if (kind !== 'changes' || ++calls > 1) return
    await before.restore()
    // The handler restarts, as after any Redis error, and activates its run in the restored state.
    throw Object.assign(new Error('LOADING Redis is loading the dataset in memory'), { name: 'ReplyError' })
  }
  const lost = await pipeline.request()
  await until(() => activeRun(pipeline, lost), 'the run is active and nothing of it waits')
  await pipeline.request()
  keep()
  await until(async () => (await tasks(pipeline)) === 5, 'all mail is dispatched')
  await pipeline.quiet()
})

t.test('a later listing lost from the delays still happens', async t => {
  const { pipeline, mailbox, keep } = await started(t, { silentAfterPushMs: 60_000 })
  const { redis: client, keys } = pipeline.app
  mailbox.deliver(2)
  await requestSync(pipeline.app, ANA, { historyId: '7' })
  const delays = keys.delay(keys.partitionOf(ANA), 'list-ids')
  await until(async () => (await client.zcard(delays)) === 1, 'a later listing waits')
  await until(async () => (await messagesInTasks(pipeline)) === 2, 'what was pushed is dispatched')
  mailbox.deliver(1)
  await client.del(delays)
  keep()
  await until(async () => (await messagesInTasks(pipeline)) === 3, 'unannounced mail is dispatched')
  await pipeline.quiet()
})

t.test('a lost redriven message is fetched in another run', async t => {
  const { pipeline, mailbox, keep } = await started(t)
  const { redis: client, keys, now, newRunId } = pipeline.app
  mailbox.deliver(3)
  mailbox.before = (kind, wanted) => {
    if (kind === 'fetch' && wanted.some(({ id }) => id === 'm1')) throw new MailError('rejected', 'no')
  }
  await pipeline.sync()
  await pipeline.stopStages()
  mailbox.before = () => undefined
  const [letter] = await listDead(client, keys)
  t.ok(letter && (await redriveDead(client, keys, letter, { now: now(), newRunId: newRunId() })))
  for (const lane of LANES) await client.del(keys.stream(keys.partitionOf(ANA), missingIds.name, lane))
  pipeline.start()
  keep()
  await until(async () => (await messagesInTasks(pipeline)) === 3, 'it is dispatched')
  const [run] = await pipeline.quiet()
  t.match(run, { cause: 'heal', listed: 1, fates: { fetched: 1 }, addsUp: true, tasks: 1 })
})

async function started(t: Test, more: Partial<FakeMailbox> = {}) {
  const mailbox = Object.assign(fakeMailbox(10), more)
  const pipeline = await startPipeline(redis, mailbox, { settings: { LEASE_MS: '500' } })
  t.teardown(() => pipeline.stop())
  const keep = (): Keeper => {
    const log = createLog(pipeline.app.config, 'test', hidden)
    const keeper = startKeeper(pipeline.app, { log, intervalMs: INTERVAL_MS })
    t.teardown(() => keeper.stop())
    return keeper
  }
  return { pipeline, mailbox, keep }
}

async function activeRun({ app: { redis, keys } }: TestPipeline, run: string): Promise<boolean> {
  return (await redis.hget(keys.mailbox(ANA), 'activeRun')) === run
}

function moment({ app }: TestPipeline): Promise<Snapshot> {
  return takeSnapshot(redis.client, app.config.REDIS_PREFIX)
}

function isEmpty(backlog: Awaited<ReturnType<typeof readBacklog>>): boolean {
  return backlog.every(({ waiting, inWork, delayed }) => (waiting ?? 0) + inWork + delayed === 0)
}

async function messagesInTasks(pipeline: TestPipeline): Promise<number> {
  const tasks = await pipeline.read(analysisTasks)
  return new Set(tasks.flatMap(({ body }) => body.messages.map(({ id }) => id))).size
}

async function tasks(pipeline: TestPipeline): Promise<number> {
  return new Set((await pipeline.read(analysisTasks)).map(({ body }) => body.task)).size
}

t.test('a mailbox restored to any past state recovers fully', async t => {
  const { pipeline, mailbox, keep } = await started(t)
  mailbox.deliver(3, 2)
  await pipeline.sync()
  await pipeline.stopStages()
  mailbox.deliver(3, 2)
  await pipeline.request()
  const moments = [await moment(pipeline)]
  for (const [hop, stage] of STAGE_NAMES.entries()) {
    pipeline.start([stage])
    await until(
      async () => isEmpty(await readBacklog(pipeline.app.redis, pipeline.app.keys, STAGES.slice(0, hop + 1))),
      `it is beyond ${stage}`,
    )
    moments.push(await moment(pipeline))
  }
  keep()
  await pipeline.quiet()
  for (const past of moments) {
    await past.restore()
    await until(async () => (await messagesInTasks(pipeline)) === 6, 'all mail is dispatched')
    await pipeline.quiet()
    mailbox.calls.length = 0
  }
  mailbox.deliver(1)
  await pipeline.sync()
  t.equal(await messagesInTasks(pipeline), 7, 'and continues from there')
})
