import t, { type Test } from 'tap'
import { openApp } from '../../../pipeline/base/app.ts'
import type { CommandContext } from '../../../pipeline/base/command-context.ts'
import { createLog } from '../../../pipeline/base/log.ts'
import { explain } from '../../../pipeline/commands/explain.ts'
import { showResult } from '../../../pipeline/commands/result.ts'
import { status } from '../../../pipeline/commands/status.ts'
import { openSending } from '../../../pipeline/runtime/sending.ts'
import { readConfig } from '../../../shared/config.ts'
import { LANES } from '../../../shared/envelope.ts'
import { MailError } from '../../../shared/error.ts'
import type { Message } from '../../../shared/message.ts'
import { analysisResults, analysisTasks, dueTasks } from '../../../shared/streams.ts'
import { type FakeMailbox, fakeMailbox } from '../../support/fake-mailbox.ts'
import { ANA, startPipeline, type TestPipeline } from '../../support/pipeline.ts'
import { startRedis } from '../../support/redis.ts'
import { fakeSending, SENDS } from '../../support/sending.ts'
import { contextFor, hidden } from '../../support/surroundings.ts'
import { until } from '../../support/until.ts'

const redis = await startRedis()
t.teardown(() => redis.stop())

const BO = [{ name: 'Bo', address: 'bo@example.com' }]
t.test('each version of a thread is sent once, with its mail as it is then, and its answer is kept', async t => {
  const { mailbox, pipeline, sink } = await synced(t)
  const [mail] = deliver(mailbox, [{ thread: 't0' }, { thread: 't1' }])
  await pipeline.sync()
  t.same(sink.sent.map(({ thread }) => thread).sort(), ['t0', 't1'])
  t.same(await pipeline.read(analysisTasks), [], 'the tasks go to the sink alone')
  const results = await pipeline.read(analysisResults)
  t.match(
    results.map(({ body }) => body),
    [{ output: { summary: 'short' } }, { output: { summary: 'short' } }],
  )
  await pipeline.sync()
  t.equal(sink.sent.length, 2, 'nothing is sent again')
  const [reply] = deliver(mailbox, [{ thread: 't0' }])
  await pipeline.sync()
  t.equal(sink.sent.length, 3, 'a reply sends its thread alone')
  t.same(
    sink.sent[2]?.messages.map(one => [one.id, one.new]),
    [
      [mail, false],
      [reply, true],
    ],
  )
  await repeatEntries(pipeline)
  await pipeline.quiet()
  t.same([sink.calls, (await pipeline.read(analysisResults)).length], [3, 3], 'a repeated entry sends nothing')
  t.match(await printed(pipeline, context => showResult(context, 't0')), /answered by m at .*\n.*"summary": "short"/s)
})

t.test('what waits is built when it is sent: the newest version alone, with all mail that no task named', async t => {
  const { mailbox, pipeline, sink, gate } = await synced(t)
  gate.waiting = { untilMs: 1500, why: 'the budget of the day is spent' }
  const [first = ''] = deliver(mailbox, [{ thread: 't0' }])
  await pipeline.request()
  await until(async () => (await pipeline.read(dueTasks)).length === 1, 'the first version waits')
  const [second] = deliver(mailbox, [{ thread: 't0' }])
  await pipeline.request()
  await until(async () => (await pipeline.read(dueTasks)).length === 2, 'the second version waits')
  t.match(
    await printed(pipeline, context => explain(context, first)),
    /due-tasks .*thread t0 with 1 messages for the sink/,
  )
  t.match(await printed(pipeline, status), /ai-send +│ live/)
  // The cache loses the mail meanwhile.
  await pipeline.app.redis.unlink(pipeline.app.keys.message(ANA, first))
  gate.waiting = undefined
  await pipeline.quiet()
  t.match(
    sink.sent.map(task => [task.reason, task.messages.map(one => [one.id, one.new])]),
    [
      [
        'new',
        [
          [first, true],
          [second, true],
        ],
      ],
    ],
  )
})

t.test('a long thread that left the cache is fetched in calls of the size that every provider takes', async t => {
  const { mailbox, pipeline, sink, gate } = await synced(t)
  gate.waiting = { untilMs: 0, why: 'the sink is paused' }
  const ids = deliver(
    mailbox,
    Array.from({ length: 45 }, () => ({ thread: 't0' })),
  )
  await pipeline.request()
  await until(async () => (await pipeline.read(dueTasks)).length === 1, 'the thread waits')
  const { redis: client, keys } = pipeline.app
  for (const id of ids) await client.unlink(keys.message(ANA, id))
  const sizes: number[] = []
  mailbox.before = (kind, wanted) => {
    if (kind === 'fetch') sizes.push(wanted.length)
  }
  gate.waiting = undefined
  await pipeline.quiet()
  t.same(sizes, [20, 20, 5])
  t.same(sink.sent[0]?.messages.map(({ id }) => id).sort(), ids.sort())
})

t.test('mail of versions that were never sent is new in the one that is', async t => {
  const { mailbox, pipeline, sink, gate } = await synced(t)
  deliver(mailbox, [{ thread: 't0' }])
  await pipeline.sync()
  gate.waiting = { untilMs: 0, why: 'the sink is paused' }
  const later: (string | undefined)[] = []
  for (const count of [2, 3]) {
    later.push(...deliver(mailbox, [{ thread: 't0' }]))
    await pipeline.request()
    await until(async () => (await pipeline.read(dueTasks)).length === count, `version ${count} waits`)
  }
  gate.waiting = undefined
  await pipeline.quiet()
  const fresh = sink.sent.at(-1)?.messages.filter(one => one.new)
  t.same([sink.sent.length, fresh?.map(({ id }) => id)], [2, later])
  await pipeline.sync()
  const [last] = deliver(mailbox, [{ thread: 't0' }])
  await pipeline.sync()
  const newest = sink.sent.at(-1)?.messages.filter(one => one.new)
  t.same(
    newest?.map(({ id }) => id),
    [last],
  )
})

t.test('a new sink is one function in the list', async t => {
  const { sink } = fakeSending()
  const mailbox = fakeMailbox()
  const config = readConfig({ ...SENDS, REDIS_URL: redis.url, REDIS_PREFIX: 'listed' })
  const log = createLog(config, 'test', hidden)
  const app = await openApp(config, redis.url)
  t.teardown(() => app.close())
  t.equal(await openSending({ ...app, config: { ...config, AI_SINK: 'stream' } }, log), undefined)
  const opened = await openSending(app, log, new Map([['webhook', async () => sink]]))
  const pipeline = await startPipeline(redis, mailbox, {
    settings: SENDS,
    ...(opened ? { sending: () => opened } : {}),
  })
  t.teardown(() => pipeline.stop())
  await pipeline.sync()
  deliver(mailbox, [{}])
  await pipeline.sync()
  t.equal(sink.sent.length, 1)
})

t.test('a sink that needs a person pauses, and no task is lost or dead-lettered', async t => {
  const { mailbox, pipeline, sink, gate } = await synced(t)
  sink.fault = new MailError('misconfigured', 'the receiver answers 401: check WEBHOOK_SECRET')
  deliver(
    mailbox,
    Array.from({ length: 12 }, () => ({})),
  )
  await pipeline.request()
  await until(() => gate.paused.length > 0, 'the sink is paused')
  const calls = sink.calls
  sink.fault = undefined
  gate.waiting = undefined
  await pipeline.quiet()
  t.same(await pipeline.dead('ai-send'), [])
  t.ok(calls <= 3, `${calls} calls found out`)
  t.equal(sink.sent.length, 12)
})

t.test('an outage of the sink uses up no attempts, and one task that always fails is dead-lettered alone', async t => {
  const { mailbox, pipeline, sink, gate } = await synced(t, {
    CIRCUIT_BREAKER_FAILURE_THRESHOLD: '3',
    MAX_ATTEMPTS: '2',
  })
  sink.fault = new MailError('unavailable', 'the receiver answers 503')
  deliver(mailbox, [{}, {}, {}, {}])
  await pipeline.request()
  await until(() => gate.paused.some(({ isOutage }) => isOutage), 'the sink is paused')
  sink.fault = undefined
  gate.waiting = undefined
  await pipeline.quiet()
  t.equal(sink.sent.length, 4)
  sink.poison = 't9'
  deliver(mailbox, [{ thread: 't9' }, { thread: 't10' }])
  await pipeline.sync()
  t.match(await pipeline.dead('ai-send'), [{ kind: 'unavailable' }])
  t.equal(sink.sent.length, 5)
})

async function repeatEntries({ app: { keys, redis: client } }: TestPipeline): Promise<void> {
  for (const lane of LANES) {
    const key = keys.stream(keys.partitionOf(ANA), dueTasks.name, lane)
    for (const [, fields] of await client.xrange(key, '-', '+')) await client.xadd(key, '*', ...fields)
  }
}

t.test('an outage with a single task never dead-letters it', async t => {
  const { mailbox, pipeline, sink, gate } = await synced(t, {
    CIRCUIT_BREAKER_FAILURE_THRESHOLD: '2',
    MAX_ATTEMPTS: '3',
  })
  sink.fault = new MailError('unavailable', 'the receiver answers 503')
  deliver(mailbox, [{}])
  await pipeline.request()
  for (let pauses = 1; pauses <= 4; pauses += 1) {
    await until(() => gate.paused.length >= pauses, `pause ${pauses}`)
    gate.waiting = undefined
  }
  sink.fault = undefined
  await pipeline.quiet()
  t.same([sink.sent.length, await pipeline.dead('ai-send')], [1, []])
})

async function synced(t: Test, settings: Record<string, string> = {}) {
  const mailbox = fakeMailbox()
  const { sink, gate, sending } = fakeSending()
  const pipeline = await startPipeline(redis, mailbox, {
    sending,
    settings: { ...SENDS, SKIP_LABELS: 'none', ...settings },
  })
  t.teardown(() => pipeline.stop())
  await pipeline.sync()
  return { mailbox, pipeline, sink, gate }
}

async function printed(pipeline: TestPipeline, command: (context: CommandContext) => unknown): Promise<string> {
  const lines: string[] = []
  const config = { ...pipeline.app.config, REDIS_URL: redis.url }
  await command(
    contextFor({ config, json: false, signal: new AbortController().signal, print: line => lines.push(line) }),
  )
  return lines.join('\n')
}

function deliver(mailbox: FakeMailbox, mails: readonly Partial<Message>[]): string[] {
  return mails.map((changes, n) => {
    const [id = ''] = mailbox.deliver(1, 1)
    mailbox.write(id, { thread: `t${n}`, from: BO, ...changes })
    return id
  })
}
