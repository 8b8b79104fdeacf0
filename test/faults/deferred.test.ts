import t from 'tap'
import { openMailboxes } from '../../pipeline/accounts/mailboxes.ts'
import type { CommandContext } from '../../pipeline/base/command-context.ts'
import { STAGES } from '../../pipeline/base/stages.ts'
import { explain } from '../../pipeline/commands/explain.ts'
import { runs as showRuns } from '../../pipeline/commands/runs.ts'
import { status } from '../../pipeline/commands/status.ts'
import { dryRun } from '../../pipeline/replay/dry-run.ts'
import { readConfig } from '../../shared/config.ts'
import { MailError } from '../../shared/error.ts'
import { listDead, redriveDead } from '../../shared/redis/dead.ts'
import { type DeferredItem, readDeferred } from '../../shared/redis/deferred.ts'
import { readMailbox } from '../../shared/redis/mailboxes.ts'
import { listRuns, type RunRecord } from '../../shared/redis/runs.ts'
import type { Stage } from '../../shared/stage.ts'
import { analysisTasks, FATES, fetchedMessages } from '../../shared/streams.ts'
import type { Task } from '../../shared/task/schema.ts'
import { startGmail } from '../../sim/gmail.ts'
import { cacheFilter } from '../../stages/cache-filter.ts'
import { fakeMailbox } from '../support/fake-mailbox.ts'
import { testMail, testMailbox } from '../support/mail.ts'
import { BO, startOutlook } from '../support/outlook.ts'
import { ANA, startPipeline, type TestPipeline } from '../support/pipeline.ts'
import { startRedis } from '../support/redis.ts'
import { contextFor } from '../support/surroundings.ts'
import { until } from '../support/until.ts'
import { startBeside } from './support.ts'

const MESSAGES = 160
const THREADS = 40
const SICK = 109
const REASONS: Record<number, string> = { 400: 'invalidArgument', 403: 'insufficientPermissions', 500: 'backendError' }
const QUICK = { RATE_LIMIT_BACKOFF_FACTOR: '1' }
const NO_BREAKER = { CIRCUIT_BREAKER_FAILURE_THRESHOLD: '1000' }
const redis = await startRedis()
t.teardown(() => redis.stop())

t.test(`one of ${MESSAGES} messages that answers 500 blocks no other and arrives when healed`, async t => {
  const { sim, sick, pipeline } = await startSick(t, 500)
  const started = Date.now()
  const [run] = await endedWithout(pipeline, 1)
  t.ok(Date.now() - started < 30_000, 'soon')
  t.match(run, { listed: MESSAGES, fates: { fetched: MESSAGES - 1, deferred: 1, dead: 0 }, addsUp: true })
  const before = await tasksOf(pipeline)
  t.equal(new Set(before.map(({ thread }) => thread)).size, THREADS, 'every thread went out')
  t.same(
    before.filter(({ omitted }) => omitted.length > 0).map(({ omitted }) => omitted),
    [[sick]],
    'and the task without it names it',
  )
  const [item] = await deferred(pipeline)
  t.match(item, { id: sick, stage: 'batch-fetch', kind: 'unavailable', reason: /500/ })

  sim.faults.set({})
  const [whole] = await pipeline.quiet()
  t.match(whole, { listed: MESSAGES, fates: { fetched: MESSAGES, deferred: 0, dead: 0 }, addsUp: true })
  const last = (await tasksOf(pipeline)).at(-1)
  t.ok(last?.messages.some(({ id }) => id === sick))
  t.match(last, { omitted: [], reason: 'grown' })
  t.same(await deferred(pipeline), [])
  t.same(await pipeline.dead('batch-fetch'), [])
  for (const stage of STAGES) {
    const { differences, failed } = await dryRun(stage, pipeline.app, {})
    t.same([differences, failed], [[], []], `replayed, ${stage.name} does the same again`)
  }
})

for (const status of [400, 403]) {
  t.test(`only the message that answers ${status} is dead-lettered`, async t => {
    const { sim, sick, pipeline } = await startSick(t, status)
    const [run] = await pipeline.quiet()
    t.match(run, { listed: MESSAGES, fates: { fetched: MESSAGES - 1, dead: 1 }, addsUp: true, tasks: THREADS })
    const { redis: client, keys } = pipeline.app
    const [letter] = await listDead(client, keys)
    t.match(letter, { kind: 'rejected', message: RegExp(`${status}`) })
    t.equal((await readMailbox(client, keys, ANA))?.needsReauth, undefined, 'the account is not to blame')
    sim.faults.set({})
    if (letter) await redriveDead(client, keys, letter, { now: Date.now(), newRunId: 'again' })
    t.match((await pipeline.quiet())[0], { fates: { fetched: MESSAGES, dead: 0 }, addsUp: true })
    t.ok((await tasksOf(pipeline)).at(-1)?.messages.some(({ id }) => id === sick))
  })
}

t.test('a permanent failure is dead-lettered with its last error, and can be redriven', async t => {
  const { sim, sick, pipeline } = await startSick(t, 500, { MAX_ATTEMPTS: '4' })
  const { redis: client, keys } = pipeline.app
  const sums = watchSums(t, pipeline)
  await endedWithout(pipeline, 1)
  sim.faults.set(brokenBy(503, sick))
  const [run] = await pipeline.quiet()
  t.match(run, { fates: { fetched: MESSAGES - 1, deferred: 0, dead: 1 }, addsUp: true })
  const [letter] = await listDead(client, keys)
  t.match(letter, { stage: 'batch-fetch', kind: 'unavailable', message: /503/, attempts: 4 })
  t.same(await deferred(pipeline), [])
  t.same((await tasksOf(pipeline)).at(-1)?.omitted, [], 'its thread went out once more, and waits for nothing')
  t.same(await sums(), [], 'at any time every id that had one had one fate')

  sim.faults.set({})
  if (letter) await redriveDead(client, keys, letter, { now: Date.now(), newRunId: 'again' })
  const [again] = await pipeline.quiet()
  t.match(again, { fates: { fetched: MESSAGES, deferred: 0, dead: 0 }, addsUp: true })
  t.ok((await tasksOf(pipeline)).at(-1)?.messages.some(({ id }) => id === sick))
})

t.test('new mail overtakes an unreadable message of an earlier run', async t => {
  const { sim, sick, pipeline } = await startSick(t, 500)
  await endedWithout(pipeline, 1)
  sim.deliver('ana@example.com', testMail(1000, 2000))
  const name = await pipeline.request()
  const run = await until(
    async () => (await runs(pipeline)).find(one => one.run === name && one.settled),
    'the next run is over',
  )
  t.match(run, { listed: 1, fates: { fetched: 1 }, tasks: 1 })
  t.match(await deferred(pipeline), [{ id: sick }])
  const said = await printed(pipeline, status)
  t.match(
    said,
    RegExp(`gmail:ana@example.com: ${sick} is deferred and will be retried; failed \\d+ times in batch-fetch`),
  )
  t.match(said, /last error: messages.get of gmail:ana@example.com: Google answered 500/)
  t.match(await printed(pipeline, context => showRuns(context, 10)), /ok, 1 deferred/)
  const story = await printed(pipeline, context => explain(context, sick))
  t.match(story, /deferred in window 1, messages.get of \S+ Google answered 500/)
  t.match(story, /delayed in batch-fetch, due in|deferred after a failure, retried alone/)
  t.match(story, /fate deferred: messages.get of/)
})

t.test('an id that fails in cache-filter is deferred too', async t => {
  const mailbox = fakeMailbox()
  const only = ['list-ids', 'batch-fetch', 'merge', 'thread-group', 'ai-dispatch'] as const
  const pipeline = await startPipeline(redis, mailbox, { only, settings: QUICK })
  t.teardown(() => pipeline.stop())
  mailbox.deliver(20, 4)
  let isSick = true
  const filter: typeof cacheFilter = {
    ...cacheFilter,
    async handle(batch, ctx) {
      if (isSick && batch.items.some(({ body }) => body.id === 'm7')) throw new Error('a fault of ours')
      return cacheFilter.handle(batch, ctx)
    },
  }
  startBeside(t, pipeline, mailbox, [filter as Stage])
  await pipeline.request()
  const [run] = await endedWithout(pipeline, 1)
  t.match(run, { listed: 20, fates: { fetched: 19, deferred: 1 }, addsUp: true, tasks: 4 })
  t.match(await deferred(pipeline), [{ id: 'm7', stage: 'cache-filter', reason: 'a fault of ours' }])
  isSick = false
  t.match((await pipeline.quiet())[0], { fates: { fetched: 20, deferred: 0 }, addsUp: true, tasks: 5 })
})

t.test('evicted mail that Outlook cannot serve blocks no thread', async t => {
  const { sim, pipeline } = await startOutlook(t, redis, testMailbox('bo@example.com', 6, 2), {
    INITIAL_SYNC: 'all',
    ...QUICK,
  })
  await pipeline.sync()
  const { redis: client, keys } = pipeline.app
  const handle = sim.mailbox('bo@example.com')
  const before = await tasksOf(pipeline)
  const [task] = before.filter(({ subject }) => /Topic 0/.test(subject))
  const [sick = '', other = ''] = task?.messages.map(({ id }) => id) ?? []
  await client.del(keys.message(BO, sick), keys.message(BO, other))
  sim.faults.set(brokenBy(500, sick))
  const { id } = handle.deliver(testMail(6, 2))
  await pipeline.request()
  const partial = await until(
    async () => (await tasksOf(pipeline)).find(one => one.thread === task?.thread && one.omitted.length > 0),
    'the thread goes out without it',
  )
  t.same(partial.omitted, [sick])
  t.same(
    new Set(partial.messages.map(message => message.id)),
    new Set([...(task?.messages ?? []).map(m => m.id), id].filter(one => one !== sick)),
  )
  await endedWithout(pipeline, 0)
  t.match(await readDeferred(client, keys, BO), [{ id: sick }])
  await client.del(keys.message(BO, other))
  handle.mark(other, { categories: ['Rome'] })
  const relabelled = await pipeline.request()
  await until(async () => (await runs(pipeline)).find(one => one.run === relabelled && one.settled), 'it is polled')
  t.equal((await tasksOf(pipeline)).at(-1)?.version, partial.version, 'without new mail less of it does not go out')

  sim.faults.set({})
  await pipeline.quiet()
  const whole = (await tasksOf(pipeline)).at(-1)
  t.ok(whole?.labels.includes('Rome'))
  t.same(new Set(whole?.messages.map(message => message.id)), new Set([...(task?.messages ?? []).map(m => m.id), id]))
  t.same(whole?.omitted, [])
  t.same(await readDeferred(client, keys, BO), [])
})

t.test('a message listed without a thread joins it once readable', async t => {
  const mailbox = fakeMailbox()
  const { changes } = mailbox
  mailbox.changes = async (since, page, call) => {
    const reported = await changes(since, page, call)
    return { ...reported, ids: reported.ids.map(one => (one.id === 'm7' ? { ...one, thread: 'm7' } : one)) }
  }
  const pipeline = await startPipeline(redis, mailbox, { settings: QUICK })
  t.teardown(() => pipeline.stop())
  mailbox.deliver(20, 4)
  const { fetch } = mailbox
  let isSick = true
  mailbox.fetch = async (wanted, call) => {
    const answers = new Map(await fetch(wanted, call))
    if (isSick && answers.has('m7'))
      answers.set('m7', { outcome: 'failed', error: new MailError('unavailable', 'HTTP 500') })
    return answers
  }
  await pipeline.request()
  await endedWithout(pipeline, 1)
  isSick = false
  t.match((await pipeline.quiet())[0], { fates: { fetched: 20, deferred: 0 }, addsUp: true })
  const { redis: client, keys } = pipeline.app
  t.same((await tasksOf(pipeline)).at(-1)?.thread, 't3')
  t.ok((await tasksOf(pipeline)).at(-1)?.messages.some(({ id }) => id === 'm7'))
  t.same(await client.keys(`${keys.thread(ANA, 'm7')}*`), [], 'nothing is left of the thread it is not in')
  for (const stage of STAGES) t.same((await dryRun(stage, pipeline.app, {})).differences, [], stage.name)
})

t.test('an outage defers no message', async t => {
  const mailbox = fakeMailbox()
  const pipeline = await startPipeline(redis, mailbox, { settings: { ...QUICK, ...NO_BREAKER } })
  t.teardown(() => pipeline.stop())
  mailbox.deliver(30, 6)
  let left = 8
  mailbox.before = kind => {
    if (kind === 'fetch' && left-- > 0) throw new MailError('unavailable', 'away')
  }
  t.match(await pipeline.sync(), { listed: 30, fates: { fetched: 30 }, addsUp: true, tasks: 6 })
  const fates = await pipeline.read(fetchedMessages)
  t.same(
    fates.filter(({ body }) => body.fate === 'deferred'),
    [],
  )
})

t.test('a run with only retries left emits after MAX_SYNC_DURATION', async t => {
  const mailbox = fakeMailbox(10)
  const settings = {
    ...QUICK,
    ...NO_BREAKER,
    MAX_SYNC_DURATION: '1',
    GMAIL_BATCH_SIZE: '10',
    GMAIL_MAX_CONCURRENT_BATCHES: '1',
  }
  const pipeline = await startPipeline(redis, mailbox, { settings })
  t.teardown(() => pipeline.stop())
  mailbox.deliver(20)
  let isAway = true
  let first: string | undefined
  mailbox.before = (kind, wanted) => {
    if (kind !== 'fetch') return
    first ??= wanted[0]?.id
    if (isAway && wanted[0]?.id !== first) throw new MailError('unavailable', 'away')
  }
  await pipeline.request()
  await until(async () => (await tasksOf(pipeline)).length === 10, 'the threads of the first page go out')
  const [run] = await runs(pipeline)
  t.match(run, { fates: { fetched: 10, deferred: 0 }, endedAt: undefined })
  isAway = false
  t.match((await pipeline.quiet())[0], { listed: 20, fates: { fetched: 20 }, tasks: 20, addsUp: true })
})

/** Starts a simulated Gmail with one unreadable message, and a pipeline that lists it. */
async function startSick(
  t: { teardown(work: () => unknown): void },
  status: number,
  more: Record<string, string> = {},
) {
  const sim = await startGmail({ profile: 'instant', mailboxes: [testMailbox('ana@example.com', MESSAGES, THREADS)] })
  t.teardown(() => sim.close())
  const ids = sim.mailbox('ana@example.com').ids().toReversed()
  const [sick = '', thread = ''] = [ids[SICK], ids[SICK % THREADS]]
  // A thread has the id of its first message, and fails as its mail does.
  sim.faults.set(brokenBy(status, sick, thread))
  const settings = { INITIAL_SYNC: 'all', ...QUICK, ...more }
  const pipeline = await startPipeline(redis, openMailboxes(readConfig(settings), sim.url)(ANA), { settings })
  t.teardown(() => pipeline.stop())
  await pipeline.request()
  return { sim, sick, pipeline }
}

/** Returns faults that make a message, and its thread where given, permanently unreadable. */
function brokenBy(status: number, message: string, thread?: string) {
  const paths = [`/messages/${message}`, ...(thread === undefined ? [] : [`/threads/${thread}`])]
  return { denials: paths.map(path => ({ path, status, reason: REASONS[status] ?? 'backendError' })) }
}

function endedWithout(pipeline: TestPipeline, count: number): Promise<RunRecord[]> {
  return until(async () => {
    const found = await runs(pipeline)
    return found.length > 0 && found.every(run => run.settled) && found[0]?.fates.deferred === count ? found : undefined
  }, 'every run is over')
}

/** Returns the text output of a command. */
async function printed(
  { app: { config } }: TestPipeline,
  command: (context: CommandContext) => Promise<unknown>,
): Promise<string> {
  const lines: string[] = []
  const { signal } = new AbortController()
  const print = (text: string) => lines.push(text)
  await command(contextFor({ config: { ...config, REDIS_URL: redis.url }, json: false, signal, print }))
  return lines.join('\n')
}

function runs({ app: { redis, keys } }: TestPipeline): Promise<RunRecord[]> {
  return listRuns(redis, keys, 100)
}

async function tasksOf(pipeline: TestPipeline): Promise<Task[]> {
  return (await pipeline.read(analysisTasks)).map(({ body }) => body)
}

function deferred({ app: { redis, keys } }: TestPipeline): Promise<DeferredItem[]> {
  return readDeferred(redis, keys, ANA)
}

/** Watches the counters continuously; returns those that did not add up. */
function watchSums(t: { teardown(work: () => unknown): void }, pipeline: TestPipeline): () => Promise<unknown[]> {
  const wrong: unknown[] = []
  let over = false
  const looking = (async () => {
    while (!over) {
      for (const { listed, fates, mergedAt } of await runs(pipeline)) {
        const sum = FATES.reduce((total, fate) => total + fates[fate], 0)
        if (sum > listed || fates.deferred < 0 || (mergedAt !== undefined && sum < listed))
          wrong.push({ listed, fates })
      }
      await new Promise(resolve => setTimeout(resolve, 10))
    }
  })()
  const end = async () => {
    over = true
    await looking
    return wrong
  }
  t.teardown(end)
  return end
}
