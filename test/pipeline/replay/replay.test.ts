import t, { type Test } from 'tap'
import type { CommandContext } from '../../../pipeline/base/command-context.ts'
import { createLog } from '../../../pipeline/base/log.ts'
import { STAGES } from '../../../pipeline/base/stages.ts'
import { parseTime, replay } from '../../../pipeline/commands/replay.ts'
import { selectInputs } from '../../../pipeline/records/selection.ts'
import { dryRun } from '../../../pipeline/replay/dry-run.ts'
import { replayInto } from '../../../pipeline/replay/replay-into-sandbox.ts'
import { requeue } from '../../../pipeline/replay/requeue.ts'
import { openSandbox } from '../../../pipeline/replay/sandbox.ts'
import { MailError } from '../../../shared/error.ts'
import type { Outcome, Stage, StageName } from '../../../shared/stage.ts'
import { analysisTasks, fetchedMessages, merged, missingIds, threads, watchEvents } from '../../../shared/streams.ts'
import { type FakeMailbox, fakeMailbox } from '../../support/fake-mailbox.ts'
import { keyspace, neverExpiring } from '../../support/keyspace.ts'
import { ANA, startPipeline, type TestPipeline } from '../../support/pipeline.ts'
import { startRedis } from '../../support/redis.ts'
import { contextFor, hidden } from '../../support/surroundings.ts'
import { until } from '../../support/until.ts'

const redis = await startRedis()
t.teardown(() => redis.stop())
const { signal } = new AbortController()
const silent = createLog({ LOG_LEVEL: 'silent' }, 'test', hidden)

t.test('a dry run gives the recorded output and has no effects', async t => {
  const { pipeline, mailbox } = await eventful(t)
  const { app } = pipeline
  // A running stage records its progress.
  await pipeline.stopStages()
  mailbox.calls.length = 0
  const before = await keyspace(redis.client)
  for (const stage of STAGES) {
    const result = await dryRun(stage, app, {})
    t.same([result.differences, result.notAtHand, result.failed], [[], [], []], stage.name)
    t.ok(result.same >= 8, `${stage.name} emitted ${result.same}`)
    t.ok(result.inputs >= 6)
  }
  t.same(await keyspace(redis.client), before)
  t.same(mailbox.calls, [])
})

t.test('a thread-group that drops messages shows in the diff by thread', async t => {
  const { app } = (await eventful(t)).pipeline
  const real = stageNamed('thread-group')
  const forgetful = altered(real, outcome => ({
    ...outcome,
    facts: (outcome.facts ?? []).map(fact => {
      if (fact.fact !== 'thread-released' || !fact.delivery) return fact
      const { envelope } = fact.delivery
      const body = envelope.body as { ids: string[] }
      return {
        ...fact,
        delivery: { ...fact.delivery, envelope: { ...envelope, body: { ...body, ids: body.ids.slice(0, -1) } } },
      }
    }),
  }))
  const { differences } = await dryRun(forgetful, app, {})
  const out = await selectInputs(app, stageNamed('ai-dispatch'), {})
  t.same(
    differences.map(({ kind, stream, id }) => `${kind} ${stream} ${id}`).sort(),
    out.map(({ envelope }) => `changed threads ${envelope.id}`).sort(),
  )
  const [first] = differences
  const then = out.find(({ envelope }) => envelope.id === first?.id)?.envelope.body as { ids: string[] }
  const last = then.ids.length - 1
  t.same(first?.changes, [{ path: `body.ids.${last}`, was: then.ids[last], now: undefined }])
  t.same((await dryRun(real, app, {})).differences, [])
})

t.test('a change in any stage shows in the diff', async t => {
  const { app } = (await eventful(t)).pipeline
  const kinds = async (name: StageName, change: (outcome: Outcome<unknown>) => Outcome<unknown>) => {
    const { differences } = await dryRun(altered(stageNamed(name), change), app, {})
    return [
      ...new Set(
        differences.map(({ kind, stream, changes }) => [kind, stream, ...changes.map(one => one.path)].join(' ')),
      ),
    ].sort()
  }
  const deliveries =
    (edit: (all: NonNullable<Outcome<unknown>['deliveries']>) => typeof all) => (outcome: Outcome<unknown>) => ({
      ...outcome,
      deliveries: edit(outcome.deliveries ?? []),
    })
  t.same(
    await kinds(
      'list-ids',
      deliveries(all => all.slice(1)),
    ),
    ['only then message-ids'],
  )
  t.same(
    await kinds(
      'cache-filter',
      deliveries(all => all.map(one => ({ ...one, to: missingIds }))),
    ),
    ['only now missing-ids', 'only then cached-messages'],
  )
  t.same(
    await kinds(
      'batch-fetch',
      deliveries(all =>
        all.map(one => ({
          ...one,
          envelope: { ...one.envelope, body: { ...(one.envelope.body as object), fate: 'gone' } },
        })),
      ),
    ),
    ['changed fetched-messages body.fate'],
  )
  t.same(
    await kinds('merge', ({ facts }) => ({
      facts: (facts ?? []).filter(fact => fact.fact !== 'fate-known' || fact.index > 0),
    })),
    ['only then merged'],
  )
  t.same(await kinds('ai-dispatch', () => ({})), ['only then analysis-tasks'])
})

t.test('a handler that throws is reported for its input only', async t => {
  const { app } = (await eventful(t)).pipeline
  const real = stageNamed('cache-filter')
  const picky: Stage = {
    ...real,
    async handle(batch, ctx) {
      if (batch.items.some(({ body }) => (body as { id: string }).id === 'm5')) throw new TypeError('cannot read m5')
      return real.handle(batch, ctx)
    },
  }
  const { failed, differences, same } = await dryRun(picky, app, {})
  t.same(
    failed.map(({ error }) => error),
    ['cannot read m5', 'cannot read m5'],
    'in both runs that listed it',
  )
  t.same(
    differences.map(({ kind }) => kind),
    ['only then', 'only then'],
  )
  t.ok(same > 20)
})

t.test('inputs are selected by run, mailbox, time and message', async t => {
  const { app } = (await eventful(t)).pipeline
  const filter = stageNamed('cache-filter')
  const all = await selectInputs(app, filter, {})
  const count = async (selection: Parameters<typeof selectInputs>[2], stage = filter) =>
    (await selectInputs(app, stage, selection)).length
  const [first] = all
  const run = first?.envelope.run ?? ''
  t.equal(await count({ run }), 25)
  t.equal(await count({ mailbox: ANA }), all.length)
  t.equal(await count({ mailbox: 'gmail:bo@example.com' }), 0)
  const at = first?.envelope.at ?? 0
  t.equal(await count({ until: at - 1 }), 0)
  t.equal(await count({ since: at }), all.length)
  t.equal(await count({ message: 'm2' }), 2)
  t.equal(await count({ message: 'm2', run }), 1)
  t.equal(await count({ message: 'm2' }, stageNamed('thread-group')), 3, 'two windows and one of context')
  t.equal(await count({ message: 'm2' }, stageNamed('ai-dispatch')), 3)
  t.equal((await dryRun(filter, app, { message: 'm2' })).inputs, 2)
  t.equal((await dryRun(stageNamed('merge'), app, { message: 'm2', run })).same, 1, 'a window is joined whole')
  t.equal(parseTime('2026-11-23T09:30:00Z'), Date.UTC(2026, 10, 23, 9, 30))
  t.equal(parseTime('1790000000000'), 1_790_000_000_000)
  t.throws(() => parseTime('yesterday'), /is not a time/)
})

t.test('evicted messages are reported, not counted as differences', async t => {
  const { app } = (await eventful(t)).pipeline
  await app.redis.del(app.keys.message(ANA, 'm8'))
  for (const name of ['batch-fetch', 'thread-group', 'ai-dispatch'] as const) {
    const { differences, failed, notAtHand } = await dryRun(stageNamed(name), app, {})
    t.same([differences, failed], [[], []], name)
    t.ok(notAtHand.length > 0, name)
  }
})

t.test('the command prints the diff without mail content', async t => {
  const { app } = (await eventful(t)).pipeline
  const { context, printed } = commandContext(app.config)
  t.equal(await replay(context, 'ai-dispatch', {}), true)
  t.match(printed(), /ai-dispatch: \d+ recorded inputs re-run\. \d+ same, 0 changed, 0 only now, 0 only then\./)
  const other = commandContext({ ...app.config, PROMPT_VERSION: '2' })
  t.equal(await replay(other.context, 'ai-dispatch', {}), false)
  t.match(other.printed(), /~ analysis-tasks .* changed\n {4}body\.promptVersion: "1" → "2"/)
  const shorter = commandContext({ ...app.config, TASK_TOKENS: 5 })
  t.equal(await replay(shorter.context, 'ai-dispatch', {}), false)
  t.notMatch(shorter.printed(), /This is|About|Ana/)
  const json = commandContext(app.config, true)
  t.equal(await replay(json.context, 'thread-group', { message: 'm0' }), true)
  const reported = JSON.parse(json.printed())
  t.match(reported, { ok: true, stage: 'thread-group', inputs: 2 })
  t.same(reported.differences, [])
  const unrelated = { json: false }
  await t.rejects(
    replay(context, 'merge', { ...unrelated, message: 'nobody' }),
    /hold no input of merge that matches message nobody$/,
  )
  await t.rejects(replay(context, 'merge', { into: 'a', requeue: true }), /one of --into and --requeue/)
  await t.rejects(replay(context, 'merge', { ...unrelated, requeue: true }), /name the inputs to requeue/)
})

t.test('a sandbox reproduces the recorded tasks of every stage and expires', async t => {
  const { pipeline, mailbox } = await eventful(t)
  const { app } = pipeline
  const tasks = (await pipeline.read(analysisTasks)).length
  await pipeline.stopStages()
  mailbox.calls.length = 0
  const real = async () => withoutKeys(await keyspace(redis.client), `${app.config.REDIS_PREFIX}-replay-`)
  const before = await real()
  for (const stage of STAGES) {
    const sandbox = await openSandbox(app, stage.name, 600)
    const inputs = await selectInputs(app, stage, {})
    const replayed = await replayInto(app, sandbox, { stage, inputs, log: silent, signal })
    t.same([replayed.differences, replayed.notAtHand], [[], []], stage.name)
    t.ok(replayed.same > 0 && replayed.same <= tasks, `${replayed.same} tasks`)
    t.ok(replayed.runs.every(run => run.settled && run.addsUp))
    const entries = inputs.map(({ envelope }) => envelope.id)
    const [first] = await selectInputs(sandbox.app, stage, {})
    t.ok(first?.envelope.replayOf === first?.envelope.id && entries.includes(first?.envelope.id ?? ''))
    t.same(await neverExpiring(redis.client, sandbox.prefix, 600 + 3600), [])
  }
  t.same(await real(), before)
  t.same(mailbox.calls, [])
})

t.test('replaying one message gives only its thread, completely', async t => {
  const { app } = (await eventful(t)).pipeline
  for (const name of ['cache-filter', 'batch-fetch', 'merge', 'ai-dispatch'] as const) {
    const sandbox = await openSandbox(app, 'one')
    const inputs = await selectInputs(app, stageNamed(name), { message: 'm10' })
    const options = { stage: stageNamed(name), inputs, log: silent, signal }
    const { differences, notAtHand, leftOut } = await replayInto(app, sandbox, options)
    t.same([differences, notAtHand, leftOut], [[], [], 0], name)
    const out = await selectInputs(sandbox.app, stageNamed('ai-dispatch'), {})
    t.same([...new Set(out.map(({ envelope }) => (envelope.body as { thread: string }).thread))], ['t4'], name)
  }
})

t.test('a sandbox shows the effect of other settings', async t => {
  const { app } = (await eventful(t)).pipeline
  const { context, printed } = commandContext({ ...app.config, PROMPT_VERSION: '2' })
  t.equal(await replay(context, 'thread-group', { into: 'prompt-2' }), false)
  t.match(printed(), /Tasks: 0 same, 9 changed, 0 only now, 0 only then/)
  t.notMatch(printed(), /This is|About|Ana/)
  await app.redis.del(app.keys.message(ANA, 'm8'))
  const other = commandContext(app.config, true)
  await replay(other.context, 'batch-fetch', { into: 'prompt-2', message: 'm8' })
  t.match(JSON.parse(other.printed()), {
    sandbox: `${app.config.REDIS_PREFIX}-replay-prompt-2`,
    inputs: 1,
    notAtHand: ['m8'],
  })
})

t.test('a sandbox expires also when the replay is interrupted', async t => {
  const { app } = (await eventful(t)).pipeline
  const sandbox = await openSandbox(app, 'stopped', 600)
  const stopping = new AbortController()
  const stage = stageNamed('list-ids')
  const inputs = await selectInputs(app, stage, {})
  const replayed = replayInto(app, sandbox, { stage, inputs, log: silent, signal: stopping.signal })
  await until(
    async () => (await selectInputs(sandbox.app, stageNamed('cache-filter'), {})).length > 0,
    'it is in flight',
  )
  stopping.abort()
  await t.rejects(replayed, /stopped/)
  t.same(await neverExpiring(redis.client, sandbox.prefix, 600 + 3600), [])
  t.ok((await redis.client.keys(`${sandbox.prefix}:*`)).length > 10)
})

t.test('a sandbox never reaches another namespace', async t => {
  const { pipeline } = await eventful(t)
  const { app } = pipeline
  await pipeline.stopStages()
  const main = app.config.REDIS_PREFIX
  const before = await keyspace(redis.client)
  const names = [
    '',
    ' ',
    'A',
    'a b',
    'a:b',
    'a*',
    '*',
    '{p00}',
    '../x',
    'a\n',
    'ä',
    'a'.repeat(21),
    `${main}:`,
    '[a]',
    'a?',
  ]
  for (const name of names) {
    await t.rejects(openSandbox(app, name), /is no valid sandbox name/, JSON.stringify(name))
    const { context } = commandContext(app.config)
    await t.rejects(replay(context, 'merge', { into: name }), /is no valid sandbox name/)
  }
  t.same(await keyspace(redis.client), before)

  const own = await openSandbox(app, main)
  t.equal(own.prefix, `${main}-replay-${main}`)
  t.not(own.app.keys.mailbox(ANA), app.keys.mailbox(ANA))

  await redis.client.set(`${main}-replay-taken:{p00}:mailbox:${ANA}`, 'somebody else')
  await t.rejects(openSandbox(app, 'taken'), /in use and is no sandbox/)
  t.equal(await redis.client.get(`${main}-replay-taken:{p00}:mailbox:${ANA}`), 'somebody else')
  t.equal(await redis.client.exists(`${main}-replay-taken:sandbox`), 0)

  // The same prefix, derived in two ways.
  const nested = { ...app, config: { ...app.config, REDIS_PREFIX: `${main}-replay-a` } }
  await openSandbox(nested, 'b')
  await t.rejects(openSandbox(app, 'a-replay-b'), /in use and is no sandbox/)

  const kept = await openSandbox(app, 'x')
  await redis.client.set(`${kept.prefix}:{p00}:old`, '1')
  await redis.client.set(`${kept.prefix}y:{p00}:neighbour`, '1')
  await openSandbox(app, 'x')
  t.equal(await redis.client.exists(`${kept.prefix}:{p00}:old`), 0, 'an earlier sandbox is emptied')
  t.equal(await redis.client.exists(`${kept.prefix}y:{p00}:neighbour`), 1, 'a neighbouring prefix is untouched')
  const after = await keyspace(redis.client)
  t.same(Object.fromEntries(Object.keys(before).map(key => [key, after[key]])), before)
})

t.test('requeued fates complete their window', async t => {
  const mailbox = fakeMailbox()
  const pipeline = await startPipeline(redis, mailbox, { only: ['list-ids', 'cache-filter'] })
  t.teardown(() => pipeline.stop())
  mailbox.deliver(25, 5)
  await pipeline.request()
  await until(async () => (await pipeline.read(missingIds)).length === 25, 'all are to be fetched')
  const { app } = pipeline
  const inputs = await selectInputs(app, stageNamed('batch-fetch'), {})
  const [lost] = inputs
  if (!lost) throw new Error('nothing was recorded')
  const ofSlice = inputs.filter(({ entryId }) => entryId === lost.entryId)
  t.equal(ofSlice.length, 20)
  await app.redis.xgroup('CREATE', lost.key, 'batch-fetch', '0')
  await app.redis.xreadgroup('GROUP', 'batch-fetch', 'careless', 'COUNT', 1, 'STREAMS', lost.key, '>')
  await app.redis.xack(lost.key, 'batch-fetch', lost.entryId)
  pipeline.start(['batch-fetch', 'merge', 'thread-group', 'ai-dispatch'])
  await until(async () => (await pipeline.read(fetchedMessages)).length === 5, 'the others are fetched')
  t.same(await requeue(app, stageNamed('batch-fetch'), ofSlice, signal), {
    requeued: ofSlice.map(({ envelope: { id } }) => ({ id, replay: `${id}~replay-1` })),
    leftOut: [],
  })
  const [run] = await pipeline.quiet()
  t.match(run, { listed: 25, fates: { fetched: 25 }, tasks: 5, addsUp: true })
  t.equal((await pipeline.read(missingIds)).filter(({ replayOf }) => replayOf === lost.envelope.id).length, 1)
})

t.test('requeueing finished work changes no count and duplicates no task', async t => {
  const { pipeline } = await eventful(t)
  const { app } = pipeline
  const before = await pipeline.quiet()
  const tasks = (await pipeline.read(analysisTasks)).length
  const windows = (await pipeline.read(merged)).length
  const [oldest] = before.slice(-1)
  const run = oldest?.run ?? ''
  for (const name of ['cache-filter', 'batch-fetch', 'merge', 'ai-dispatch'] as const) {
    const { requeued } = await requeue(
      app,
      stageNamed(name),
      await selectInputs(app, stageNamed(name), { run }),
      signal,
    )
    t.ok(requeued.length > 0, name)
    await pipeline.quiet()
  }
  const after = (await pipeline.quiet()).find(one => one.run === run)
  t.match(after, {
    listed: oldest?.listed,
    fates: oldest?.fates,
    threads: oldest?.threads,
    tasks: oldest?.tasks,
    addsUp: true,
  })
  t.equal((await pipeline.read(analysisTasks)).length, tasks)
  t.equal((await pipeline.read(merged)).length, windows, 'no window is merged twice')
})

t.test('requeued windows are grouped again in a new run', async t => {
  const { pipeline } = await eventful(t)
  const { app } = pipeline
  const [oldest] = (await pipeline.quiet()).slice(-1)
  const run = oldest?.run ?? ''
  const stage = stageNamed('thread-group')
  const inputs = (await selectInputs(app, stage, { run })).filter(({ envelope }) => !envelope.id.includes('release'))
  const before = (await pipeline.read(threads)).length
  await requeue(app, stage, inputs, signal)
  const again = (await pipeline.quiet()).find(one => one.run === `${run}~replay-1`)
  t.match(again, { cause: 'requeue', threads: oldest?.threads, tasks: 0, unchanged: oldest?.threads, addsUp: true })
  t.equal((await pipeline.read(threads)).length, before + (oldest?.threads ?? 0))
  for (const { body } of await pipeline.read(threads)) {
    await app.redis.hdel(app.keys.thread(ANA, body.thread), 'dispatched')
  }
  await requeue(app, stage, inputs, signal)
  const third = (await pipeline.quiet()).find(one => one.run === `${run}~replay-2`)
  t.match(third, { tasks: oldest?.threads, unchanged: 0 }, 'versions that were never dispatched are dispatched')
  const replays = await selectInputs(app, stage, { run: `${run}~replay-1` })
  const { requeued } = await requeue(app, stage, replays.slice(0, 1), signal)
  t.match(requeued[0]?.replay, /^[^~]*~replay-3$/, 'a replay of a replay is a replay of the original')
})

t.test('a requeued watch event starts a new run with its pages', async t => {
  const { pipeline, mailbox } = await eventful(t)
  const { app } = pipeline
  const [oldest] = (await pipeline.quiet()).slice(-1)
  const run = oldest?.run ?? ''
  mailbox.deliver(2)
  const stage = stageNamed('list-ids')
  const { requeued, leftOut } = await requeue(app, stage, await selectInputs(app, stage, { run }), signal)
  t.same(requeued, [{ id: run, replay: `${run}~replay-1` }])
  t.equal(leftOut.length, 2)
  t.match(
    (await pipeline.quiet()).find(one => one.run === `${run}~replay-1`),
    { listed: 2, addsUp: true },
  )
  t.equal((await pipeline.read(watchEvents)).at(-1)?.replayOf, run)
})

function stageNamed(name: StageName): Stage {
  const stage = STAGES.find(one => one.name === name)
  if (!stage) throw new Error(name)
  return stage
}

function altered(stage: Stage, change: (outcome: Outcome<unknown>) => Outcome<unknown>): Stage {
  return { ...stage, handle: async (batch, ctx) => change(await stage.handle(batch, ctx)) }
}

/** Records three runs: pages, gone and dead mail, threads with refetched older mail, and a listing of known messages. */
async function eventful(t: Test): Promise<{ pipeline: TestPipeline; mailbox: FakeMailbox }> {
  const mailbox = fakeMailbox(10)
  const pipeline = await startPipeline(redis, mailbox)
  t.teardown(() => pipeline.stop())
  mailbox.deliver(25, 6)
  mailbox.remove('m3')
  mailbox.before = (kind, wanted) => {
    if (kind === 'fetch' && wanted.some(({ id }) => id === 'm7')) throw new MailError('rejected', 'no such format')
  }
  await pipeline.sync()
  const { redis: client, keys } = pipeline.app
  await client.del(keys.message(ANA, 'm1'), keys.message(ANA, 'm2'))
  mailbox.deliver(3, 6)
  await pipeline.sync()
  await client.hset(keys.mailbox(ANA), 'cursor', 'pinned:0')
  await pipeline.sync()
  return { pipeline, mailbox }
}

function commandContext(config: CommandContext['config'], json = false) {
  const lines: string[] = []
  const context = contextFor({
    config: { ...config, REDIS_URL: redis.url },
    json,
    signal,
    print: text => lines.push(text),
  })
  return { context, printed: () => lines.join('\n') }
}

function withoutKeys(all: Record<string, unknown>, prefix: string): Record<string, unknown> {
  return Object.fromEntries(Object.entries(all).filter(([key]) => !key.startsWith(prefix)))
}
