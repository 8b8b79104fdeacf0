import t from 'tap'
import { explain } from '../../../pipeline/commands/explain.ts'
import type { Explanation } from '../../../pipeline/explain/explanation.ts'
import { MailError } from '../../../shared/error.ts'
import { fetchedMessages, merged, messageIds, missingIds, watchEvents } from '../../../shared/streams.ts'
import { fakeMailbox } from '../../support/fake-mailbox.ts'
import { ANA, startPipeline, type TestPipeline } from '../../support/pipeline.ts'
import { startRedis } from '../../support/redis.ts'
import { contextFor } from '../../support/surroundings.ts'
import { until } from '../../support/until.ts'

const redis = await startRedis()
t.teardown(() => redis.stop())

t.test('explain shows each hop from the watch event to the task', async t => {
  const mailbox = fakeMailbox(10)
  const pipeline = await startPipeline(redis, mailbox)
  t.teardown(() => pipeline.stop())
  mailbox.deliver(15, 4)
  const { run } = await pipeline.sync()
  const { seen, stories } = await explained(pipeline, 'm12')
  t.equal(seen, true)
  t.equal(stories.length, 1)
  const [explanation] = stories
  t.same(
    explanation?.hops.map(({ stream, envelope }) => `${stream} ${envelope.id}`),
    [
      `watch-events ${run}`,
      `watch-events ${run}/page/2`,
      `message-ids ${run}/2/3`,
      `missing-ids ${run}/2/3`,
      `fetched-messages ${run}/2/3`,
      `merged ${run}/2`,
      `merged ${run}/release/1`,
      `threads ${run}/release/1/t0`,
      `analysis-tasks ${run}/release/1/t0/task`,
    ],
  )
  t.match(explanation, {
    mailbox: ANA,
    run,
    message: 'm12',
    fate: { fate: 'fetched' },
    windows: [{ window: '2', merged: true, missing: 0 }],
    thread: { thread: 't0', known: 4, waits: false },
    cachedForSeconds: Number,
  })
  t.same(explanation?.elsewhere, [])
  t.equal(explanation?.tasks.length, 1)
  for (const { progress } of explanation?.hops ?? []) t.ok(progress.every(({ state }) => state === 'done'))
  const text = await explainedText(pipeline, 'm12')
  t.match(text, /^m12 in gmail:ana@example.com, run \S+ \(request, ended\)/)
  t.match(text, /\+\d+ ms {2}fetched-messages {2}bulk {2}fetched in window 2/)
  t.match(text, /window 2 is merged/)
  t.notMatch(text, /This is|About|Ana /, 'no mail content')
})

t.test('an envelope id selects one run; a message id shows all runs', async t => {
  const mailbox = fakeMailbox()
  const pipeline = await startPipeline(redis, mailbox)
  t.teardown(() => pipeline.stop())
  mailbox.deliver(4, 2)
  const first = await pipeline.sync()
  await pipeline.app.redis.hset(pipeline.app.keys.mailbox(ANA), 'cursor', 'pinned:0')
  const second = await pipeline.sync()
  t.same(
    (await explained(pipeline, 'm1')).stories.map(({ run }) => run),
    [first.run, second.run],
  )
  const one = await explained(pipeline, `${second.run}/1/2`)
  t.match(one, { message: 'm1', stories: [{ run: second.run, fate: { fate: 'cached' } }] })
  t.same(one.stories[0]?.tasks, [])
  t.equal(one.stories.length, 1)
  t.equal((await explained(pipeline, 'm1', 'gmail:bo@example.com')).seen, false)
})

t.test('explain shows unread entries, work in progress and missing fates', async t => {
  const mailbox = fakeMailbox()
  const pipeline = await startPipeline(redis, mailbox, { only: ['list-ids', 'cache-filter'] })
  t.teardown(() => pipeline.stop())
  mailbox.deliver(3, 1)
  await pipeline.request()
  await until(async () => (await pipeline.read(missingIds)).length === 3, 'all are to be fetched')
  t.match(await explainedText(pipeline, 'm1'), /missing-ids .*batch-fetch has not read it yet/)
  let release = () => {}
  const gate = new Promise<void>(resolve => {
    release = resolve
  })
  mailbox.before = async kind => {
    if (kind === 'fetch') await gate
  }
  pipeline.start(['batch-fetch'])
  await until(
    async () => /in work in batch-fetch at \S+ for \d/.test(await explainedText(pipeline, 'm1')),
    'it is in work',
  )
  const text = await explainedText(pipeline, 'm1')
  t.match(text, /no fate yet/)
  t.match(text, /window 1 waits for 3 fates/)
  t.match(text, /no task in this run/)
  t.match(text, /not in the cache/)
  release()
  pipeline.start(['merge'])
  await until(async () => (await pipeline.read(merged)).length === 1, 'the window is merged')
  t.match(await explainedText(pipeline, 'm1'), /merged .*thread-group has not read it yet/)
})

t.test('explain shows delays, parked work and dead letters with remedies', async t => {
  const mailbox = fakeMailbox()
  const pipeline = await startPipeline(redis, mailbox)
  t.teardown(() => pipeline.stop())
  mailbox.deliver(2, 2)
  let error = new MailError('throttled', 'slow down', { retryAfterMs: 60_000 })
  mailbox.before = kind => {
    if (kind === 'fetch') throw error
  }
  await pipeline.request()
  await until(async () => /delayed in batch-fetch, due in [56]\d/.test(await explainedText(pipeline, 'm0')), 'it waits')
  const { stories } = await explained(pipeline, 'm0')
  t.match(stories[0]?.elsewhere, [{ state: 'delayed', stage: 'batch-fetch', attempt: 0 }])
  t.ok(await explainedText(pipeline, stories[0]?.hops.at(-1)?.envelope.id ?? ''), 'also by the id of its envelope')

  const poison = await startPipeline(redis, mailbox)
  t.teardown(() => poison.stop())
  error = new MailError('rejected', 'no such format')
  await poison.sync()
  const dead = await explainedText(poison, 'm1')
  t.match(
    dead,
    /dead-lettered in batch-fetch at .* \(rejected\): no such format; dead letter batch-fetch\/p0\d\/\d+-\d+/,
  )
  t.match(dead, /fate dead: no such format/)

  const parked = await startPipeline(redis, mailbox)
  t.teardown(() => parked.stop())
  error = new MailError('unauthorized', 'the grant is gone')
  await parked.request()
  await until(async () => /parked: its mailbox waits/.test(await explainedText(parked, 'm1')), 'it is parked')
})

t.test('a message trimmed from the streams is found where it waits', async t => {
  const mailbox = fakeMailbox()
  const pipeline = await startPipeline(redis, mailbox)
  t.teardown(() => pipeline.stop())
  mailbox.deliver(1)
  mailbox.before = kind => {
    if (kind === 'fetch') throw new MailError('rejected', 'no such format')
  }
  await pipeline.sync()
  const { redis: client, keys } = pipeline.app
  for (const stream of [watchEvents, messageIds, missingIds, fetchedMessages, merged]) {
    for (const lane of ['live', 'bulk'] as const)
      await client.xtrim(keys.stream(keys.partitionOf(ANA), stream.name, lane), 'MAXLEN', 0)
  }
  const { stories } = await explained(pipeline, 'm0')
  t.match(stories, [{ elsewhere: [{ state: 'dead', reason: 'no such format' }] }])
  t.same(stories[0]?.hops, [])
})

t.test('an unknown message gives a list of checks', async t => {
  const pipeline = await startPipeline(redis, fakeMailbox())
  t.teardown(() => pipeline.stop())
  const { context, printed } = commandContext(pipeline, false)
  t.equal(await explain(context, '18c0ffee', { mailbox: 'gmail:bo@example.com' }), false)
  t.match(printed(), /18c0ffee was not found in gmail:bo@example.com/)
  t.match(printed(), /gmail:bo@example.com is connected: `mailsluice sync gmail:bo@example.com` connects it/)
  t.match(printed(), /INITIAL_SYNC/)
  t.same((await explained(pipeline, '18c0ffee')).stories, [])
  await t.rejects(explain(context, 'm1', { mailbox: 'bo' }), /is not a mailbox/)
})

t.test('a stream of thousands of entries is read completely', async t => {
  const mailbox = fakeMailbox()
  const pipeline = await startPipeline(redis, mailbox)
  t.teardown(() => pipeline.stop())
  mailbox.deliver(1700, 300)
  await pipeline.sync()
  t.match((await explained(pipeline, 'm0')).stories, [{ fate: { fate: 'fetched' } }])
  t.match((await explained(pipeline, 'm1699')).stories, [{ fate: { fate: 'fetched' } }])
})

type Explained = { message: string; seen: boolean; stories: Explanation[] }

async function explained(pipeline: TestPipeline, text: string, mailbox?: string): Promise<Explained> {
  const { context, printed } = commandContext(pipeline, true)
  const seen = await explain(context, text, { mailbox })
  const answer = JSON.parse(printed()) as Explained
  if (answer.seen !== seen) throw new Error('it says one thing and prints another')
  return answer
}

async function explainedText(pipeline: TestPipeline, text: string): Promise<string> {
  const { context, printed } = commandContext(pipeline, false)
  await explain(context, text)
  return printed()
}

function commandContext({ app: { config } }: TestPipeline, json: boolean) {
  const lines: string[] = []
  const { signal } = new AbortController()
  const context = contextFor({
    config: { ...config, REDIS_URL: redis.url },
    json,
    signal,
    print: text => lines.push(text),
  })
  return { context, printed: () => lines.join('\n') }
}
