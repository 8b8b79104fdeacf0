import t, { type Test } from 'tap'
import { requestSync } from '../../pipeline/accounts/request-sync.ts'
import { readBacklog } from '../../shared/redis/backlog.ts'
import { postWatchEvent } from '../../shared/redis/mailboxes.ts'
import { listRuns } from '../../shared/redis/runs.ts'
import { analysisTasks, STREAMS } from '../../shared/streams.ts'
import { listIds } from '../../stages/list-ids/list-ids.ts'
import { fakeMailbox } from '../support/fake-mailbox.ts'
import { ANA, startPipeline, type TestPipeline } from '../support/pipeline.ts'
import { startRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'
import { doubles, isIntact } from './support.ts'

const redis = await startRedis()
t.teardown(() => redis.stop())
t.beforeEach(() => redis.client.flushall())

// Pub/Sub delivers late, twice and in any order. The history reaches these ids, so no later listing is due.
const HISTORY_IDS = ['7', '3', '10', '3', '1', '9', '2', '10', '5', '4']

t.test('ten unordered pushes make one run and at most one later listing', async t => {
  const { pipeline, mailbox } = await pushed(t)
  await pipeline.stopStages()
  mailbox.deliver(30, 6)
  for (const historyId of HISTORY_IDS) await requestSync(pipeline.app, ANA, { historyId })
  pipeline.start()
  await pipeline.quiet()
  const [first, ...rest] = mailbox.calls
  t.equal(first, 'changes')
  t.same(rest.slice(0, 2).sort(), ['fetch 10', 'fetch 20'])
  t.same(rest.slice(2), rest.length > 2 ? ['changes'] : [])
  await isIntact(t, pipeline, { messages: 40, tasks: 5 + 6 })
  t.same(await messagesOf(pipeline), ids(40), 'nothing is missed')
})

t.test("ten pushes after a run's listing make one more run", async t => {
  const { pipeline, mailbox, answered } = await pushed(t)
  mailbox.deliver(5, 5)
  const [first = '', ...others] = HISTORY_IDS
  mailbox.before = async kind => {
    if (kind !== 'fetch' || others.length === 0) return
    mailbox.deliver(1, 5)
    await Promise.all(others.splice(0).map(historyId => requestSync(pipeline.app, ANA, { historyId })))
    await answered()
  }
  await requestSync(pipeline.app, ANA, { historyId: first })
  await pipeline.quiet()
  t.same(mailbox.calls, ['changes', 'fetch 5', 'changes', 'fetch 1'])
  await isIntact(t, pipeline, { messages: 16, tasks: 5 + 5 + 1 })
  t.same(await messagesOf(pipeline), ids(16), 'nothing is missed')
})

for (const [when, forgetful] of [
  ['while all is remembered', false],
  ['when everything that could recognise it has expired', true],
] as const) {
  t.test(`repeated entries have no second effect, ${when}`, async t => {
    const mailbox = fakeMailbox(20)
    const pipeline = await startPipeline(redis, mailbox)
    t.teardown(() => pipeline.stop())
    mailbox.deliver(60, 12)
    await pipeline.sync()
    mailbox.deliver(5, 5)
    await pipeline.sync()
    const { redis: client, keys } = pipeline.app
    const partition = keys.partitionOf(ANA)
    const tasks = (await pipeline.read(analysisTasks)).map(({ body }) => body.task)
    t.equal(tasks.length, 17)
    const cursor = await client.hget(keys.mailbox(ANA), 'cursor')

    if (forgetful) await expireNow(pipeline)
    const written = await Promise.all(
      STREAMS.filter(stream => stream !== analysisTasks).flatMap(({ name }) =>
        (['live', 'bulk'] as const).map(async lane => {
          const key = keys.stream(partition, name, lane)
          const entries = await client.xrange(key, '-', '+')
          return entries.map(([, fields]) => ({ key, text: fields[1] ?? '' }))
        }),
      ),
    )
    const again = client.pipeline()
    for (const { key, text } of written.flat()) again.xadd(key, '*', 'envelope', text)
    await again.exec()
    t.ok(written.flat().length > 30, `${written.flat().length} entries`)
    await pipeline.quiet()

    t.same(
      (await pipeline.read(analysisTasks)).map(({ body }) => body.task),
      tasks,
      'no task more',
    )
    t.equal(await client.hget(keys.mailbox(ANA), 'cursor'), cursor, 'the cursor is where it was')
    const runs = await listRuns(client, keys, 10)
    t.same(
      runs.filter(({ addsUp, settled }) => !addsUp || !settled),
      [],
    )
    mailbox.deliver(3, 3)
    t.match(await pipeline.sync(), { listed: 3, fates: { fetched: 3 }, tasks: 3, addsUp: true })
    t.same(doubles((await pipeline.read(analysisTasks)).map(({ body }) => body.task)), [])
    t.same(await messagesOf(pipeline), ids(68))
  })
}

t.test('a repeated push after its run expired lists only new mail', async t => {
  const { pipeline, mailbox } = await pushed(t)
  const [{ run } = { run: '' }] = await listRuns(pipeline.app.redis, pipeline.app.keys, 1)
  await expireNow(pipeline)
  mailbox.deliver(1, 5)
  const { redis: client, keys, now } = pipeline.app
  const again = async () => {
    await postWatchEvent(client, keys, ANA, { run, at: now(), body: { cause: 'push', historyId: '1' } })
    await pipeline.quiet()
  }
  await again()
  t.same(mailbox.calls, ['changes', 'fetch 1', 'fetch 2'], 'what is new, and what its thread needs besides')
  t.match(await listRuns(client, keys, 10), [{ run, listed: 1, context: 2, tasks: 1, addsUp: true }])
  await again()
  await again()
  t.equal(mailbox.calls.length, 3, 'and from then on it is known again')
  t.same(await messagesOf(pipeline), ids(11))
})

/** Starts a pipeline with ten synced messages; `answered` waits until list-ids has read every watch event and has at most one in work. */
async function pushed(t: Test) {
  const mailbox = fakeMailbox()
  const pipeline = await startPipeline(redis, mailbox)
  t.teardown(() => pipeline.stop())
  mailbox.deliver(10, 5)
  await pipeline.sync()
  mailbox.calls.length = 0
  const answered = () =>
    until(async () => {
      const backlog = await readBacklog(pipeline.app.redis, pipeline.app.keys, [listIds])
      return backlog.reduce((sum, { waiting, inWork }) => sum + (waiting ?? 1) + inWork, 0) <= 1
    }, 'every push is looked at')
  return { pipeline, mailbox, answered }
}

/** Expires runs, windows and cached messages. */
async function expireNow({ app: { redis: client } }: TestPipeline): Promise<void> {
  const mortal: string[] = []
  for (const key of await client.keys('*')) if ((await client.pttl(key)) > 0) mortal.push(key)
  for (const key of mortal) await client.pexpire(key, 1)
  await until(async () => (await client.exists(...mortal)) === 0, 'they have expired')
}

/** Returns every message in any task. */
async function messagesOf(pipeline: TestPipeline): Promise<string[]> {
  const tasks = await pipeline.read(analysisTasks)
  return [...new Set(tasks.flatMap(({ body }) => body.messages.map(({ id }) => id)))].sort()
}

function ids(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `m${index}`).sort()
}
