import t, { type Test } from 'tap'
import type { CommandContext } from '../../../pipeline/base/command-context.ts'
import { explain } from '../../../pipeline/commands/explain.ts'
import { runs } from '../../../pipeline/commands/runs.ts'
import { status } from '../../../pipeline/commands/status.ts'
import { selectInputs } from '../../../pipeline/records/selection.ts'
import { requeue } from '../../../pipeline/replay/requeue.ts'
import type { Message } from '../../../shared/message.ts'
import { analysisTasks, threads } from '../../../shared/streams.ts'
import { aiDispatch } from '../../../stages/ai-dispatch.ts'
import { type FakeMailbox, fakeMailbox } from '../../support/fake-mailbox.ts'
import { ANA, startPipeline, type TestPipeline } from '../../support/pipeline.ts'
import { startRedis } from '../../support/redis.ts'
import { contextFor } from '../../support/surroundings.ts'
import { until } from '../../support/until.ts'

const BO = [{ name: 'Bo', address: 'bo@example.com' }]
const LIST = { kind: 'list', cause: 'header List-Id' } as const
const redis = await startRedis()
t.teardown(() => redis.stop())

t.test(
  'mail of lists and programs goes in the lane bulk, with its class; what the owner takes part in stays live',
  async t => {
    const { mailbox, pipeline } = await synced(t)
    deliver(mailbox, [{ class: LIST }, {}, { class: { kind: 'automated', cause: 'sender no-reply' } }])
    await pipeline.sync()
    t.same(await lanes(pipeline), { t0: ['bulk list'], t1: ['live personal'], t2: ['bulk automated'] })
    // The owner answers on the list; later mail of the list alone is personal, although the task may not hold the owner's.
    const [own] = deliver(mailbox, [{ thread: 't0', from: [{ name: 'Ana', address: 'ana@example.com' }] }])
    await pipeline.sync()
    mailbox.remove(own ?? '')
    deliver(mailbox, [{ thread: 't0', class: LIST }])
    await pipeline.sync()
    t.same((await lanes(pipeline)).t0, ['bulk list', 'live personal', 'live personal'])
  },
)

t.test('drafts and automatic replies trigger nothing, and explain and status say why', async t => {
  const { mailbox, pipeline } = await synced(t)
  const [mail, draft] = deliver(mailbox, [{}, { labels: ['DRAFT'] }])
  await pipeline.sync()
  t.same(await lanes(pipeline), { t0: ['live personal'] })
  t.match(await text(pipeline, draft), /became no task, because it holds only drafts/)
  const [reply] = deliver(mailbox, [
    { thread: 't0', isAutoReply: true },
    { thread: 't0', labels: ['DRAFT'] },
  ])
  const run = await pipeline.sync()
  t.match(run, { tasks: 0, settled: true, withheld: { autoReplies: 1 } })
  t.match(await text(pipeline, reply), /became no task, because only automatic replies are new in it/)
  t.match(
    await printed(pipeline, status),
    /Threads without a task.*: 1 because it holds only drafts; 1 because only auto/,
  )
  t.match(await printed(pipeline, context => runs(context, 20)), /ok, 1 withheld/)
  // A label changes: still nothing but the reply is new.
  mailbox.relabel(mail ?? '', ['Work'])
  t.match(await pipeline.sync(), { tasks: 0 })
  // The next mail brings the reply along as new; the drafts stay away.
  const [next] = deliver(mailbox, [{ thread: 't0' }])
  await pipeline.sync()
  const task = (await pipeline.read(analysisTasks)).at(-1)?.body
  const isNew = task?.messages.map(one => [one.id, one.new])
  t.same(isNew, [
    [mail, false],
    [reply, true],
    [next, true],
  ])
  t.equal(task?.budget.omitted, 0, 'drafts are no omitted mail')
  t.notMatch(await text(pipeline, next), /became no task/)
})

t.test('a reply that overtakes mail without a task does not hide it', async t => {
  const { mailbox, pipeline } = await synced(t)
  deliver(mailbox, [{}])
  await pipeline.sync()
  await pipeline.stopStages()
  pipeline.start(['list-ids', 'cache-filter', 'batch-fetch', 'merge', 'thread-group'])
  const [mail] = deliver(mailbox, [{ thread: 't0' }])
  await emitted(pipeline, 1)
  const [reply] = deliver(mailbox, [{ thread: 't0', isAutoReply: true }])
  await emitted(pipeline, 2)
  pipeline.start(['ai-dispatch'])
  await pipeline.quiet()
  const tasks = (await pipeline.read(analysisTasks)).map(({ body }) => body.messages.filter(one => one.new))
  t.same(
    tasks.at(-1)?.map(({ id }) => id),
    [mail, reply],
  )
  t.equal(tasks.length, 2, 'the first version was overtaken')
})

t.test('AI_SINCE leaves old threads alone until they get mail', async t => {
  const { mailbox, pipeline } = await synced(t, { AI_SINCE: '2026-11-01' })
  const [old] = deliver(mailbox, [{ date: Date.parse('2026-10-31T23:00:00Z') }, { date: Date.parse('2026-11-02') }])
  t.match(await pipeline.sync(), { threads: 2, tasks: 1, withheld: { tooOld: 1 } })
  t.match(await text(pipeline, old), /became no task, because its newest mail is older than AI_SINCE/)
  deliver(mailbox, [{ thread: 't0', date: Date.parse('2026-11-03') }])
  t.match(await pipeline.sync(), { tasks: 1 })
  t.equal((await pipeline.read(analysisTasks)).at(-1)?.body.messages.length, 2, 'the whole thread')
})

t.test('a withheld thread can be sent later, as the documents say', async t => {
  const { mailbox, pipeline } = await synced(t, { AI_SINCE: '2200-01-01' })
  deliver(mailbox, [{}, {}])
  const { run } = await pipeline.sync()
  Object.assign(pipeline.app.config, { AI_SINCE: undefined })
  const signal = new AbortController().signal
  const inputs = await selectInputs(pipeline.app, aiDispatch, { run }, signal)
  await requeue(pipeline.app, aiDispatch, inputs, signal)
  await pipeline.quiet()
  t.same(await lanes(pipeline), { t0: ['live personal'], t1: ['live personal'] })
})

t.test('AI_MAX_PER_RUN bounds the tasks of a run; the others go out with their next mail', async t => {
  const { mailbox, pipeline } = await synced(t, { AI_MAX_PER_RUN: '3' })
  deliver(mailbox, Array(8).fill({}))
  t.match(await pipeline.sync(), { threads: 8, tasks: 3, settled: true, withheld: { overLimit: 5 } })
  t.match(await printed(pipeline, status), /5 because its run had as many tasks as AI_MAX_PER_RUN allows/)
  const done = new Set((await pipeline.read(analysisTasks)).map(({ body }) => body.thread))
  const [left] = ['t0', 't1', 't2', 't3', 't4', 't5', 't6', 't7'].filter(thread => !done.has(thread))
  const [next] = deliver(mailbox, [{ thread: left ?? '' }])
  t.match(await pipeline.sync(), { tasks: 1 })
  t.notMatch(await text(pipeline, next), /became no task/)
})

t.test(
  'a live thread waits for more mail, and the newest version goes out; one that keeps growing goes out too',
  async t => {
    const { mailbox, pipeline } = await synced(t, { AI_DEBOUNCE_MS: '1500' })
    const [first] = deliver(mailbox, [{}])
    await emitted(pipeline, 1)
    t.match(await text(pipeline, first), /waits for more mail of its thread \(AI_DEBOUNCE_MS\), due in/)
    deliver(mailbox, [{ thread: 't0' }])
    await emitted(pipeline, 2)
    await pipeline.quiet()
    const tasks = await pipeline.read(analysisTasks)
    t.same(
      tasks.map(({ body }) => body.messages.length),
      [2],
    )
    const written = (await pipeline.read(threads)).map(({ at }) => at)
    t.ok((tasks[0]?.at ?? 0) >= (written[1] ?? 0) + 1500, 'counted from the newest version')
    // A process that is killed and started again keeps the time.
    deliver(mailbox, [{ thread: 't0' }])
    await emitted(pipeline, 3)
    await until(async () => /waits for more mail/.test(await text(pipeline, 'm2')), 'it waits')
    await pipeline.stopStages()
    pipeline.start()
    const from = Date.now()
    for (let more = 0; (await pipeline.read(analysisTasks)).length < 2; more += 1) {
      if (Date.now() - from > 20_000) throw new Error('a busy thread never went out')
      deliver(mailbox, [{ thread: 't0' }])
      await emitted(pipeline, 4 + more)
    }
    await pipeline.quiet()
  },
)

/** A pipeline whose mailbox was listed to its end once, so that what follows is live. */
async function synced(t: Test, settings: Record<string, string> = {}) {
  const mailbox = fakeMailbox()
  const pipeline = await startPipeline(redis, mailbox, { settings: { SKIP_LABELS: 'none', ...settings } })
  t.teardown(() => pipeline.stop())
  await pipeline.sync()
  return { mailbox, pipeline }
}

function deliver(mailbox: FakeMailbox, mails: readonly Partial<Message>[]): string[] {
  return mails.map((changes, n) => {
    const [id = ''] = mailbox.deliver(1, 1)
    mailbox.write(id, { thread: `t${n}`, from: BO, ...changes })
    return id
  })
}

async function emitted(pipeline: TestPipeline, count: number): Promise<void> {
  await pipeline.request()
  await until(async () => (await pipeline.read(threads)).length >= count, `version ${count} is emitted`)
}

async function lanes(pipeline: TestPipeline): Promise<Record<string, string[]>> {
  const all: Record<string, string[]> = {}
  for (const { lane, body } of await pipeline.read(analysisTasks)) {
    all[body.thread] = [...(all[body.thread] ?? []), `${lane} ${body.class?.kind}`]
  }
  return all
}

function text(pipeline: TestPipeline, id = ''): Promise<string> {
  return printed(pipeline, context => explain(context, id, { mailbox: ANA }))
}

async function printed(pipeline: TestPipeline, command: (context: CommandContext) => unknown): Promise<string> {
  const lines: string[] = []
  const { signal } = new AbortController()
  const config = { ...pipeline.app.config, REDIS_URL: redis.url }
  await command(contextFor({ config, json: false, signal, print: line => lines.push(line) }))
  return lines.join('\n')
}
