import t, { type Test } from 'tap'
import { openMailboxes } from '../../../pipeline/accounts/mailboxes.ts'
import { announceChange } from '../../../pipeline/base/announce-change.ts'
import { dryRun } from '../../../pipeline/replay/dry-run.ts'
import { readConfig } from '../../../shared/config.ts'
import { encodeEnvelope } from '../../../shared/envelope.ts'
import { MailError } from '../../../shared/error.ts'
import { createLedger } from '../../../shared/redis/ledger.ts'
import { pauseMailbox, resumeMailbox } from '../../../shared/redis/mailboxes.ts'
import { removeMailbox } from '../../../shared/redis/remove.ts'
import type { Stage } from '../../../shared/stage.ts'
import { watchEvents } from '../../../shared/streams.ts'
import { listIds } from '../../../stages/list-ids/list-ids.ts'
import { type FakeMailbox, fakeMailbox } from '../../support/fake-mailbox.ts'
import { testMailbox } from '../../support/mail.ts'
import { startOutlook } from '../../support/outlook.ts'
import { ANA, startPipeline, type TestPipeline } from '../../support/pipeline.ts'
import { startRedis } from '../../support/redis.ts'
import { until } from '../../support/until.ts'

const SILENT_MS = 300
const redis = await startRedis()
t.teardown(() => redis.stop())

t.test('a pushed mailbox is listed once more, without a new run', async t => {
  const { mailbox, pipeline } = await open(t)
  mailbox.deliver(1)
  const at = Date.now()
  await push(pipeline)
  t.same(await causes(pipeline), ['push'])
  t.same(mailbox.calls, ['changes', 'fetch 1', 'changes'])
  t.ok(Date.now() - at >= SILENT_MS, 'after the silence')
  const { redis: client, keys } = pipeline.app
  t.same(await keysOfRuns(pipeline), await runKeys(pipeline), 'nor anything else')
  t.same(await client.zcard(keys.delay(keys.partitionOf(ANA), 'list-ids')), 0)
})

t.test('ten pushes are followed by one later listing', async t => {
  const { mailbox, pipeline } = await open(t)
  for (let n = 0; n < 10; n += 1) {
    await push(pipeline)
    await until(async () => (await pending(pipeline)).length === 1, 'one later listing is pending')
  }
  const runs = await causes(pipeline)
  t.ok(runs.every(cause => cause === 'push' || cause === 'coalesced'))
  t.equal(mailbox.calls.length, runs.length + 1)
})

t.test('a push during a run is followed by a later listing too', async t => {
  const { mailbox, pipeline } = await open(t)
  mailbox.deliver(1)
  const release = hold(mailbox, 'fetch')
  await pipeline.request()
  await until(() => mailbox.calls.includes('fetch 1'), 'a run is active')
  await push(pipeline)
  await until(async () => (await pending(pipeline)).length === 1, 'a later listing is pending')
  release()
  t.same(await causes(pipeline), ['coalesced', 'request'])
  t.same(mailbox.calls, ['changes', 'fetch 1', 'changes', 'changes'])
})

t.test('a later listing that finds mail becomes a run without a second listing', async t => {
  const { mailbox, pipeline } = await open(t)
  await push(pipeline)
  await until(async () => (await pending(pipeline)).length === 1, 'a later listing is pending')
  mailbox.deliver(1)
  const [run] = await pipeline.quiet()
  t.match(run, { cause: 'look', listed: 1, tasks: 1, addsUp: true })
  t.same(mailbox.calls, ['changes', 'changes', 'fetch 1', 'changes'])
})

t.test('later listings repeat while they find mail, at most three times', async t => {
  const { mailbox, pipeline } = await open(t)
  mailbox.before = kind => void (kind === 'changes' && mailbox.deliver(1))
  await push(pipeline)
  t.same(await causes(pipeline), ['look', 'look', 'look', 'push'])
  t.equal(mailbox.calls.filter(call => call === 'changes').length, 4)
})

t.test('a listing due during a run waits until the run has emitted its tasks', async t => {
  const { mailbox, pipeline } = await open(t)
  mailbox.deliver(1)
  const release = hold(mailbox, 'fetch')
  await push(pipeline)
  const { redis: client, keys } = pipeline.app
  await until(() => client.hexists(keys.mailbox(ANA), 'lookAfterRun'), 'the listing waits')
  t.same(await pending(pipeline), [])
  t.same(mailbox.calls, ['changes', 'fetch 1'])
  release()
  t.same(await causes(pipeline), ['push'])
  t.same(mailbox.calls, ['changes', 'fetch 1', 'changes'])
})

t.test('the next run answers a waiting listing', async t => {
  const { mailbox, pipeline } = await open(t)
  mailbox.deliver(1)
  const release = hold(mailbox, 'fetch')
  await push(pipeline)
  const { redis: client, keys } = pipeline.app
  await until(() => client.hexists(keys.mailbox(ANA), 'lookAfterRun'), 'the listing waits')
  await pipeline.request()
  await until(() => client.hexists(keys.mailbox(ANA), 'dirty'), 'another run is to follow')
  release()
  t.same(await causes(pipeline), ['coalesced', 'push'])
  t.same(mailbox.calls, ['changes', 'fetch 1', 'changes'])
})

t.test('a pending listing survives its process', async t => {
  const { mailbox, pipeline } = await open(t)
  await push(pipeline)
  await until(async () => (await pending(pipeline)).length === 1, 'a later listing is pending')
  await pipeline.stopStages()
  mailbox.deliver(1)
  pipeline.start()
  t.match(await pipeline.quiet(), [{ cause: 'look', listed: 1 }])
})

for (const news of [0, 1]) {
  t.test(`a listing resumes after its process died in a run, with ${news} new messages`, async t => {
    const { mailbox, pipeline } = await open(t)
    await pipeline.stopStages()
    const { redis: client, keys, now } = pipeline.app
    const look = lookOf('look-1')
    await createLedger(client, keys, ANA, now).begin(look)
    mailbox.deliver(news)
    await client.xadd(stream(pipeline), '*', 'envelope', encodeEnvelope(look))
    pipeline.start()
    const [run] = await pipeline.quiet()
    t.match(run, { run: 'look-1', cause: 'look', listed: news, addsUp: true, settled: true })
  })
}

t.test('a push does not replace a listing whose run has begun', async t => {
  const { mailbox, pipeline } = await open(t)
  await push(pipeline)
  await until(async () => (await pending(pipeline)).length === 1, 'a later listing is pending')
  mailbox.deliver(1)
  let looked = 0
  mailbox.before = kind => {
    if (kind !== 'changes') return
    looked += 1
    // The stored page is useless now, and the listing fails after it has begun its run.
    if (looked === 1)
      return pipeline.app.redis.hset(pipeline.app.keys.mailbox(ANA), 'cursor', 'history:0:0:moved').then()
    if (looked === 2) throw new MailError('throttled', 'slow down', { retryAfterMs: 500 })
  }
  await until(async () => looked === 2 && (await pending(pipeline)).length === 1, 'the listing is retried later')
  await push(pipeline)
  await until(async () => (await pending(pipeline)).length === 2, 'the push causes a later listing too')
  const runs = await pipeline.quiet()
  t.match(runs, [{ cause: 'coalesced' }, { cause: 'look', addsUp: true }])
})

t.test('a stale push requests a later listing and no run', async t => {
  const { mailbox, pipeline } = await open(t)
  await push(pipeline, { stale: true })
  t.same(await causes(pipeline), [])
  t.same(mailbox.calls, ['changes'])
})

t.test('a provider that announces every change gets no later listing', async t => {
  const mailbox = fakeMailbox()
  const { pipeline } = await open(t, mailbox)
  await push(pipeline)
  await push(pipeline, { stale: true })
  t.same(await causes(pipeline), ['push'])
  t.same(mailbox.calls, ['changes'])
})

t.test('only Gmail needs later listings, Outlook does not', async t => {
  const outlook = await startOutlook(t, redis, testMailbox('bo@example.com', 1, 1))
  t.equal(outlook.pipeline.mailbox.silentAfterPushMs, undefined)
  t.equal(openMailboxes(readConfig({}), 'http://127.0.0.1:1')(ANA).silentAfterPushMs, 1000)
})

t.test('a replay without writes handles later listings with and without results', async t => {
  const { mailbox, pipeline } = await open(t)
  await push(pipeline)
  await until(async () => (await pending(pipeline)).length === 1, 'a later listing is pending')
  mailbox.deliver(2)
  t.same(await causes(pipeline), ['look', 'push'])
  const looks = (await pipeline.read(watchEvents)).filter(({ body }) => body.cause === 'look')
  t.equal(looks.length, 2)
  const rehearsal = await dryRun(listIds as Stage, pipeline.app, { since: looks[0]?.at })
  t.match(rehearsal, { inputs: 2, same: 2, differences: [], failed: [], notAtHand: [] })
})

t.test('a listing of a paused mailbox is parked until it is resumed', async t => {
  const { mailbox, pipeline } = await open(t)
  const { redis: client, keys, now } = pipeline.app
  await push(pipeline)
  await until(async () => (await pending(pipeline)).length === 1, 'a later listing is pending')
  await pauseMailbox(client, keys, ANA, now())
  await pipeline.stopStages()
  pipeline.start()
  await until(async () => (await client.llen(keys.parked(ANA))) === 1, 'the listing is parked')
  mailbox.deliver(1)
  await resumeMailbox(client, keys, ANA, { unpause: true, now: Date.now() })
  t.match(await pipeline.quiet(), [{ cause: 'look', listed: 1 }])
})

t.test('removing a mailbox removes its pending listing', async t => {
  const { mailbox, pipeline } = await open(t)
  await push(pipeline)
  await until(async () => (await pending(pipeline)).length === 1, 'a later listing is pending')
  await removeMailbox(pipeline.app.redis, pipeline.app.keys, ANA)
  t.same(await pending(pipeline), [])
  t.same(mailbox.calls, ['changes'])
})

t.test('a dead-lettered listing leaves no keys of a run', async t => {
  const { mailbox, pipeline } = await open(t)
  await push(pipeline)
  await until(async () => (await pending(pipeline)).length === 1, 'a later listing is pending')
  mailbox.before = () => {
    throw new MailError('rejected', 'no')
  }
  t.same(await causes(pipeline), ['push'])
  t.match(await pipeline.dead('list-ids'), [{ kind: 'rejected' }])
  t.same(await keysOfRuns(pipeline), await runKeys(pipeline))
})

let pushes = 0
async function push(pipeline: TestPipeline, { stale = false } = {}): Promise<void> {
  pushes += 1
  const { redis: client, keys, newRunId, now } = pipeline.app
  if (!stale) return void (await announceChange(pipeline.app, ANA, { id: `push-${pushes}`, at: now(), cause: 'push' }))
  const run = newRunId()
  const event = { ...lookOf(run), body: { cause: 'push', stale } as const }
  await client.xadd(
    keys.stream(keys.partitionOf(ANA), watchEvents.name, 'live'),
    '*',
    'envelope',
    encodeEnvelope(event),
  )
}

/** Returns the causes of the runs since the first sync, newest first, once the pipeline is idle. */
async function causes(pipeline: TestPipeline): Promise<string[]> {
  const runs = await pipeline.quiet()
  return runs.map(({ cause }) => cause)
}

function pending({ app }: TestPipeline): Promise<string[]> {
  return app.redis.zrange(app.keys.delay(app.keys.partitionOf(ANA), 'list-ids'), '0', '-1')
}

async function runKeys(pipeline: TestPipeline): Promise<string[]> {
  const { keys } = pipeline.app
  return (await pipeline.quiet()).map(({ run }) => keys.run(keys.partitionOf(ANA), run))
}

/** Returns every key of a run, except for its thread state. */
async function keysOfRuns({ app }: TestPipeline): Promise<string[]> {
  return (await app.redis.keys('*:run:*')).filter(key => !key.endsWith(':fresh'))
}

function stream({ app: { keys } }: TestPipeline): string {
  return keys.stream(keys.partitionOf(ANA), watchEvents.name, 'live')
}

function lookOf(run: string) {
  const body = { cause: 'look', left: 3 } as const
  return { id: run, run, mailbox: ANA, at: 0, attempt: 0, lane: 'live', body } as const
}

/** Blocks the calls of a kind until it is released. */
function hold(mailbox: FakeMailbox, kind: string): () => void {
  let release = () => {}
  const held = new Promise<void>(resolve => {
    release = resolve
  })
  mailbox.before = called => (called === kind ? held : undefined)
  return release
}

/** Creates a synced mailbox without earlier runs. */
async function open(t: Test, mailbox: FakeMailbox = Object.assign(fakeMailbox(), { silentAfterPushMs: SILENT_MS })) {
  await redis.client.flushall()
  const pipeline = await startPipeline(redis, mailbox)
  t.teardown(() => pipeline.stop())
  await pipeline.sync()
  const { redis: client, keys } = pipeline.app
  for (const partition of keys.partitions) await client.del(keys.runs(partition))
  await client.del(...(await client.keys('*:run:*')))
  mailbox.calls.length = 0
  return { mailbox, pipeline }
}
