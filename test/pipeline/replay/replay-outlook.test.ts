import t, { type Test } from 'tap'
import { createLog } from '../../../pipeline/base/log.ts'
import { STAGES } from '../../../pipeline/base/stages.ts'
import { selectInputs } from '../../../pipeline/records/selection.ts'
import { dryRun } from '../../../pipeline/replay/dry-run.ts'
import { replayInto } from '../../../pipeline/replay/replay-into-sandbox.ts'
import { requeue } from '../../../pipeline/replay/requeue.ts'
import { openSandbox } from '../../../pipeline/replay/sandbox.ts'
import { readMailbox } from '../../../shared/redis/mailboxes.ts'
import type { Stage, StageName } from '../../../shared/stage.ts'
import { analysisTasks, missingIds } from '../../../shared/streams.ts'
import { keyspace, neverExpiring } from '../../support/keyspace.ts'
import { testMail, testMailbox } from '../../support/mail.ts'
import { BO, BO_ADDRESS, startOutlook } from '../../support/outlook.ts'
import { startRedis } from '../../support/redis.ts'
import { hidden } from '../../support/surroundings.ts'

const redis = await startRedis()
t.teardown(() => redis.stop())
const { signal } = new AbortController()
const silent = createLog({ LOG_LEVEL: 'silent' }, 'test', hidden)

t.test('a dry run of an Outlook mailbox gives the same output without effects', async t => {
  const { pipeline, sim, gone, relabelled } = await eventful(t)
  const { app } = pipeline
  await pipeline.stopStages()
  sim.resetCalls()
  const before = await keyspace(redis.client)
  for (const stage of STAGES) {
    const { differences, failed, notAtHand, same } = await dryRun(stage, app, {})
    t.same([differences, failed], [[], []], stage.name)
    t.ok(same >= 4, `${stage.name} emitted ${same}`)
    // Some threads of the first run have lost mail since, and the labels of one have changed.
    const changed = stage.name === 'thread-group' || stage.name === 'ai-dispatch'
    t.equal(notAtHand.length, changed ? gone.length + relabelled.length : 0, stage.name)
  }
  t.same(await keyspace(redis.client), before)
  t.match(sim.calls(), { total: 0 })
})

t.test('a list-ids without verification shows in the diff', async t => {
  const { pipeline, gone } = await eventful(t)
  const real = stageNamed('list-ids')
  const careless: Stage = {
    ...real,
    async handle(batch, ctx) {
      const { deliveries = [], ...outcome } = await real.handle(batch, ctx)
      return { ...outcome, deliveries: deliveries.filter(({ to }) => to.name !== missingIds.name) }
    },
  }
  const { differences } = await dryRun(careless, pipeline.app, {})
  t.same(
    differences.map(({ kind, stream }) => `${kind} ${stream}`),
    gone.map(() => 'only then missing-ids'),
  )
})

t.test('a sandbox reproduces the tasks of an Outlook run and expires', async t => {
  const { pipeline, sim, runs } = await eventful(t)
  const { app } = pipeline
  await pipeline.stopStages()
  sim.resetCalls()
  const real = async () =>
    Object.entries(await keyspace(redis.client)).filter(([key]) => !key.startsWith(`${app.config.REDIS_PREFIX}-`))
  const before = await real()
  const counts = ({ listed, context, deleted }: (typeof runs)[number]) => ({ listed, context, deleted })
  for (const stage of STAGES) {
    for (const then of runs.slice(1)) {
      const inputs = await selectInputs(app, stage, { run: then.run })
      const sandbox = await openSandbox(app, stage.name, 600)
      const replayed = await replayInto(app, sandbox, { stage, inputs, log: silent, signal })
      t.same([replayed.differences, replayed.changedSince, replayed.notAtHand], [[], [], []], stage.name)
      t.ok(replayed.same > 0 && replayed.same <= then.tasks)
      t.match(replayed.runs, [{ settled: true, addsUp: true, fates: { dead: 0 } }])
      // Verified messages are verified again, for any start of the replay.
      if (!['cache-filter', 'ai-dispatch'].includes(stage.name))
        t.equal(replayed.runs[0]?.deleted, then.deleted, stage.name)
      if (stage.name === 'list-ids') t.same(replayed.runs.map(counts), [counts(then)])
      t.same(await neverExpiring(redis.client, sandbox.prefix, 600 + 3600), [])
    }
  }
  t.same(await real(), before)
  t.match(sim.calls(), { total: 0 })
})

t.test('a sandbox names messages deleted or relabelled since the run', async t => {
  const { pipeline, runs, gone, relabelled } = await eventful(t)
  const { app } = pipeline
  const stage = stageNamed('list-ids')
  const inputs = await selectInputs(app, stage, { run: runs[0]?.run })
  const sandbox = await openSandbox(app, 'first', 600)
  const replayed = await replayInto(app, sandbox, { stage, inputs, log: silent, signal })
  t.same([...replayed.notAtHand].sort(), [...gone].sort())
  t.same(replayed.differences, [])
  t.equal(replayed.changedSince.length, gone.length + relabelled.length)
  t.equal(replayed.same, (runs[0]?.tasks ?? 0) - gone.length - relabelled.length)
})

t.test('the links of cursors in a sandbox exist there', async t => {
  const { pipeline } = await eventful(t)
  const { app } = pipeline
  const sandbox = await openSandbox(app, 'links', 600)
  const stage = stageNamed('list-ids')
  const inputs = await selectInputs(app, stage, {})
  await replayInto(app, sandbox, { stage, inputs, log: silent, signal })
  const { keys } = sandbox.app
  const cursor = (await readMailbox(redis.client, keys, BO))?.cursor ?? ''
  const names = cursor.split(':').at(-1)?.split(',') ?? []
  t.ok(names.length >= 3)
  for (const name of names)
    t.equal(await redis.client.get(keys.link(BO, name)), await redis.client.get(app.keys.link(BO, name)))
  t.equal(await redis.client.get(keys.folders(BO)), await redis.client.get(app.keys.folders(BO)))
  t.same(await neverExpiring(redis.client, sandbox.prefix, 600 + 3600), [])
})

t.test('replaying one gone message gives its thread without it', async t => {
  const { pipeline, gone } = await eventful(t)
  const { app } = pipeline
  const [message = ''] = gone
  for (const name of ['batch-fetch', 'merge', 'thread-group'] as const) {
    const stage = stageNamed(name)
    const all = await selectInputs(app, stage, { message })
    const inputs = all.filter(({ envelope }) => (envelope.body as { window: string }).window.startsWith('verify:'))
    t.equal(inputs.length, 1)
    const sandbox = await openSandbox(app, 'one', 600)
    const replayed = await replayInto(app, sandbox, { stage, inputs, log: silent, signal })
    // Its window contained two.
    const left = name === 'thread-group' ? 2 : 1
    t.match(replayed, { same: left, runs: [{ deleted: left, tasks: left, addsUp: true }] }, name)
    t.same([replayed.differences, replayed.notAtHand], [[], []], name)
  }
})

t.test('a requeued watch event lists an Outlook mailbox again', async t => {
  const { pipeline, sim, runs } = await eventful(t)
  const { app } = pipeline
  const run = runs[0]?.run ?? ''
  sim.deliver(BO_ADDRESS, testMail(28, 6))
  const stage = stageNamed('list-ids')
  const { requeued, leftOut } = await requeue(app, stage, await selectInputs(app, stage, { run }), signal)
  t.same(requeued, [{ id: run, replay: `${run}~replay-1` }])
  t.ok(leftOut.length > 2)
  const again = (await pipeline.quiet()).find(one => one.run === `${run}~replay-1`)
  t.match(again, { listed: 1, tasks: 1, addsUp: true })
})

t.test('requeued verifications and windows of an Outlook run change no task', async t => {
  const { pipeline, runs } = await eventful(t)
  const { app } = pipeline
  const before = await pipeline.quiet()
  const tasks = (await pipeline.read(analysisTasks)).length
  for (const name of ['cache-filter', 'batch-fetch', 'merge', 'ai-dispatch'] as const) {
    for (const { run } of runs) await requeue(app, stageNamed(name), await inputsOf(name, run), signal)
    const after = await pipeline.quiet()
    const counts = ({ run, listed, fates, threads }: (typeof before)[number]) => ({ run, listed, fates, threads })
    t.same(after.map(counts), before.map(counts), name)
    t.equal((await pipeline.read(analysisTasks)).length, tasks)
  }

  function inputsOf(name: StageName, run: string) {
    return selectInputs(app, stageNamed(name), { run })
  }
})

function stageNamed(name: StageName): Stage {
  const stage = STAGES.find(one => one.name === name)
  if (!stage) throw new Error(name)
  return stage
}

/**
 * Records three runs of Bo's mailbox: its first sync; new mail and mail that was moved, trashed, deleted, read, made important or evicted
 * from the cache; and one after the delta link of the inbox expired, in which a message disappeared silently.
 */
async function eventful(t: Test) {
  const { sim, pipeline } = await startOutlook(t, redis, testMailbox(BO_ADDRESS, 24, 6), {
    INITIAL_SYNC: 'all',
    OUTLOOK_PAGE_SIZE: '5',
  })
  const bo = sim.mailbox(BO_ADDRESS)
  const runs = [await pipeline.sync()]
  const { redis: client, keys } = pipeline.app
  const [moved = '', trashed = '', deleted = '', read = '', important = '', dropped = '', last = ''] = bo.ids('inbox')
  bo.move('archive', moved)
  bo.move('deleteditems', trashed)
  bo.delete(deleted)
  bo.mark(read, { isRead: true })
  bo.mark(important, { important: true })
  await client.del(keys.message(BO, dropped))
  for (const index of [24, 25, 26]) sim.deliver(BO_ADDRESS, testMail(index, 6))
  runs.push(await pipeline.sync())
  bo.expireDelta('inbox')
  bo.delete(last)
  sim.deliver(BO_ADDRESS, testMail(27, 6))
  runs.push(await pipeline.sync())
  return { sim, pipeline, runs, gone: [trashed, deleted, last], relabelled: [important] }
}
