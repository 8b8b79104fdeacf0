import t, { type Test } from 'tap'
import { encodeEnvelope } from '../../../shared/envelope.ts'
import { readRun } from '../../../shared/redis/runs.ts'
import { analysisTasks, threads } from '../../../shared/streams.ts'
import { fakeMailbox } from '../../support/fake-mailbox.ts'
import { ANA, startPipeline } from '../../support/pipeline.ts'
import { startRedis } from '../../support/redis.ts'
import { until } from '../../support/until.ts'

const redis = await startRedis()
t.teardown(() => redis.stop())
t.beforeEach(() => redis.client.flushall())

const LARGEST_ENTRY = 1 << 20
// Longer than Graph's immutable ids: eight thousand of them exceed the size of an entry.
const PREFIX = `AAMkAGI2${'x'.repeat(150)}`

t.test('new mail in a long thread fetches only the newest messages its task needs', async t => {
  const { pipeline, mailbox } = await start(t, fakeMailbox())
  mailbox.deliver(1500, 1)
  t.match(await pipeline.sync(), { listed: 1500, threads: 1, tasks: 1, settled: true })
  await forget(pipeline)
  mailbox.calls = []
  const [newest] = mailbox.deliver(1, 1)
  const run = await pipeline.sync()
  t.match(run, { threads: 1, tasks: 1, settled: true, addsUp: true })
  const task = (await pipeline.read(analysisTasks)).at(-1)?.body
  const kept = task?.messages.length ?? 0
  t.equal(task?.messages.at(-1)?.id, newest)
  t.match(task, { reason: 'grown', budget: { omitted: 1501 - kept } })
  t.ok(JSON.stringify(task).length <= 32_000)
  const fetched = mailbox.calls.map(call => Number(/^fetch (\d+)$/.exec(call)?.[1] ?? 0)).reduce((a, b) => a + b, 0)
  t.ok(kept > 50 && fetched >= kept && fetched <= kept * 1.25 + 5, `${fetched} fetched for ${kept}`)
})

t.test('a conversation of thousands of mails with long ids becomes a readable task', async t => {
  const { pipeline, mailbox } = await start(t, fakeMailbox(500, Date.now, PREFIX))
  const ids = mailbox.deliver(4000, 1)
  t.ok(2 * ids.join('').length > LARGEST_ENTRY)
  let noted = 0
  const { redis: client, keys } = pipeline.app
  mailbox.before = async () => {
    const found = await client.keys(keys.runFresh(keys.partitionOf(ANA), '?*').replace(/[{}]/g, '?'))
    const texts = await Promise.all(found.map(key => client.hvals(key)))
    noted = Math.max(noted, ...texts.flat().map(text => text.length))
  }
  const run = await pipeline.sync()
  t.match(run, { listed: 4000, threads: 1, tasks: 1, givenUp: 0, settled: true, addsUp: true })
  t.same(await pipeline.dead('ai-dispatch'), [])
  const [task] = await pipeline.read(analysisTasks)
  t.equal(task?.body.messages.at(-1)?.id, ids.at(-1), 'the newest is in it')
  t.equal(task?.body.budget.omitted, 4000 - (task?.body.messages.length ?? 0))
  t.ok((await longestEntry(pipeline)) < LARGEST_ENTRY)
  t.ok(noted > 0 && noted < 300_000, `a run notes ${noted} characters of new ids`)
  // Relabelling a message outside the task makes no new version.
  mailbox.relabel(ids[0] ?? '', ['Old'])
  t.match(await pipeline.sync(), { threads: 1, tasks: 0, unchanged: 1, settled: true })
})

t.test("a page beyond an entry's size becomes several windows with all fates", async t => {
  const { pipeline, mailbox } = await start(t, fakeMailbox(10_000, Date.now, PREFIX))
  mailbox.deliver(4500, 900)
  const run = await pipeline.sync()
  t.match(run, { listed: 4500, fates: { fetched: 4500 }, threads: 900, tasks: 900, settled: true, addsUp: true })
  t.ok(run.windows > 1, `${run.windows} windows`)
  t.ok((await longestEntry(pipeline)) < LARGEST_ENTRY)
})

t.test('an oversized thread entry of an earlier version is dead-lettered and settled', async t => {
  const { pipeline, mailbox } = await start(t, fakeMailbox())
  mailbox.deliver(2, 2)
  await pipeline.stopStages()
  pipeline.start(['list-ids', 'cache-filter', 'batch-fetch', 'merge', 'thread-group'])
  const name = await pipeline.request()
  const { redis: client, keys } = pipeline.app
  const partition = keys.partitionOf(ANA)
  const key = keys.stream(partition, threads.name, 'bulk')
  const [first] = await until(async () => {
    const found = await client.xrange(key, '-', '+')
    return found.length === 2 ? found : undefined
  }, 'both threads are released')
  const [entryId, [, text = '{}'] = []] = first ?? ['']
  const { v: _, ...envelope } = JSON.parse(text)
  const ids = Array.from({ length: 9000 }, (_, n) => `${PREFIX}${n}`)
  await client.xdel(key, entryId)
  await client.xadd(key, '*', 'envelope', encodeEnvelope({ ...envelope, body: { ...envelope.body, ids, fresh: ids } }))
  pipeline.start(['ai-dispatch'])
  await pipeline.quiet()
  const record = await readRun(client, keys, partition, name)
  t.match(record, { threads: 2, tasks: 1, givenUp: 1, unchanged: 0, settled: true })
  t.match(await pipeline.dead('ai-dispatch'), [{ kind: 'unparsable', stream: 'threads' }])
})

async function start(t: Test, mailbox: ReturnType<typeof fakeMailbox>) {
  const pipeline = await startPipeline(redis, mailbox)
  t.teardown(() => pipeline.stop())
  return { pipeline, mailbox }
}

type Started = Awaited<ReturnType<typeof start>>['pipeline']

async function forget({ app: { redis: client, keys } }: Started): Promise<void> {
  const cached = await client.keys(`${keys.message(ANA, '').replace(/[{}]/g, '?')}*`)
  if (cached.length > 0) await client.del(...cached)
}

async function longestEntry({ app: { redis: client } }: Started): Promise<number> {
  const streams = await client.keys('*:s:*')
  const entries = await Promise.all(streams.map(key => client.xrange(key, '-', '+')))
  return Math.max(...entries.flat().map(([, fields]) => Buffer.byteLength(fields[1] ?? '')))
}
