import t from 'tap'
import { openMailboxes } from '../../pipeline/providers.ts'
import { readConfig } from '../../shared/config.ts'
import { MailError } from '../../shared/error.ts'
import { listDead, redriveDead } from '../../shared/redis/dead.ts'
import { type DeferredItem, readDeferred } from '../../shared/redis/deferred.ts'
import { listRuns, type RunRecord } from '../../shared/redis/runs.ts'
import { analysisTasks, FATES, fetchedMessages } from '../../shared/streams.ts'
import type { Task } from '../../shared/task.ts'
import { startGmail } from '../../sim/gmail.ts'
import { fakeMailbox } from '../support/fake-mailbox.ts'
import { testMail, testMailbox } from '../support/mail.ts'
import { BO, startOutlook } from '../support/outlook.ts'
import { ANA, startPipeline, type TestPipeline } from '../support/pipeline.ts'
import { startRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'

const MESSAGES = 160
const THREADS = 40
const QUICK = { RATE_LIMIT_BACKOFF_FACTOR: '1' }
const NO_BREAKER = { CIRCUIT_BREAKER_FAILURE_THRESHOLD: '1000' }
const redis = await startRedis()
t.teardown(() => redis.stop())

for (const status of [500, 503]) {
  t.test(`one message of ${MESSAGES} that answers ${status} holds up no other, and arrives when it heals`, async t => {
    const { sim, sick, pipeline } = await startSick(t, status)
    const started = Date.now()
    const [run] = await endedWithout(pipeline, 1)
    t.ok(Date.now() - started < 30_000, 'soon')
    t.match(run, { listed: MESSAGES, fates: { fetched: MESSAGES - 1, deferred: 1, dead: 0 }, addsUp: true })
    const before = await tasksOf(pipeline)
    t.equal(new Set(before.map(({ thread }) => thread)).size, THREADS, 'every thread went out')
    t.same(
      before.filter(({ omitted }) => omitted.length > 0).map(({ omitted }) => omitted),
      [[sick]],
      'and the one that lacks it names it',
    )
    const [item] = await deferred(pipeline)
    t.match(item, { id: sick, stage: 'batch-fetch', kind: 'unavailable', reason: new RegExp(`${status}`) })

    sim.faults.set({})
    const [whole] = await pipeline.quiet()
    t.match(whole, { listed: MESSAGES, fates: { fetched: MESSAGES, deferred: 0, dead: 0 }, addsUp: true })
    const last = (await tasksOf(pipeline)).at(-1)
    t.ok(last?.messages.some(({ id }) => id === sick))
    t.match(last, { omitted: [], reason: 'grown' })
    t.same(await deferred(pipeline), [])
    t.same(await pipeline.dead('batch-fetch'), [])
  })
}

t.test('what never heals is dead in the end, with its last error, and can be redriven', async t => {
  const { sim, sick, pipeline } = await startSick(t, 500, { MAX_ATTEMPTS: '4' })
  const { redis: client, keys } = pipeline.office
  const sums = watchSums(t, pipeline)
  await endedWithout(pipeline, 1)
  sim.faults.set({ broken: { [sick]: 503 } })
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

t.test('new mail passes a message of an earlier run that cannot be read', async t => {
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
})

t.test('of known mail that the cache has lost, what Outlook cannot give holds up no thread', async t => {
  const { sim, pipeline } = await startOutlook(t, redis, testMailbox('bo@example.com', 6, 2), {
    INITIAL_SYNC: 'all',
    ...QUICK,
  })
  await pipeline.sync()
  const { redis: client, keys } = pipeline.office
  const handle = sim.mailbox('bo@example.com')
  const before = await tasksOf(pipeline)
  const [task] = before.filter(({ subject }) => /Topic 0/.test(subject))
  const [sick = '', other = ''] = task?.messages.map(({ id }) => id) ?? []
  await client.del(keys.message(BO, sick), keys.message(BO, other))
  sim.faults.set({ broken: { [sick]: 500 } })
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

  sim.faults.set({})
  await pipeline.quiet()
  const whole = (await tasksOf(pipeline)).at(-1)
  t.same(new Set(whole?.messages.map(message => message.id)), new Set([...(task?.messages ?? []).map(m => m.id), id]))
  t.same(whole?.omitted, [])
  t.same(await readDeferred(client, keys, BO), [])
})

t.test('an outage, in which all messages fail, sets none aside', async t => {
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

t.test('a run that does nothing but try again emits what it has after MAX_SYNC_DURATION', async t => {
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

/** A simulated Gmail of whose messages one cannot be read, and the pipeline over it, listing. */
async function startSick(
  t: { teardown(work: () => unknown): void },
  status: number,
  more: Record<string, string> = {},
) {
  const sim = await startGmail({ profile: 'instant', mailboxes: [testMailbox('ana@example.com', MESSAGES, THREADS)] })
  t.teardown(() => sim.close())
  const sick = sim.mailbox('ana@example.com').ids()[50] ?? ''
  sim.faults.set({ broken: { [sick]: status } })
  const settings = { INITIAL_SYNC: 'all', ...QUICK, ...more }
  const pipeline = await startPipeline(redis, openMailboxes(readConfig(settings), sim.url)(ANA), { settings })
  t.teardown(() => pipeline.stop())
  await pipeline.request()
  return { sim, sick, pipeline }
}

function endedWithout(pipeline: TestPipeline, count: number): Promise<RunRecord[]> {
  return until(async () => {
    const found = await runs(pipeline)
    return found.length > 0 && found.every(run => run.settled) && found[0]?.fates.deferred === count ? found : undefined
  }, 'every run is over')
}

function runs({ office: { redis, keys } }: TestPipeline): Promise<RunRecord[]> {
  return listRuns(redis, keys, 100)
}

async function tasksOf(pipeline: TestPipeline): Promise<Task[]> {
  return (await pipeline.read(analysisTasks)).map(({ body }) => body)
}

function deferred({ office: { redis, keys } }: TestPipeline): Promise<DeferredItem[]> {
  return readDeferred(redis, keys, ANA)
}

/** Looks at the counters all the while; ends with those that did not add up. */
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
