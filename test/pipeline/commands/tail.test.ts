import { createServer } from 'node:net'
import t from 'tap'
import { sleep } from '../../../pipeline/base/wait.ts'
import { tail } from '../../../pipeline/commands/tail.ts'
import { encodeEnvelope, LANES, type Lane } from '../../../shared/envelope.ts'
import type { MailboxId } from '../../../shared/mailbox.ts'
import { fakeMailbox } from '../../support/fake-mailbox.ts'
import { ANA, startPipeline, type TestPipeline } from '../../support/pipeline.ts'
import { startRedis } from '../../support/redis.ts'
import { contextFor } from '../../support/surroundings.ts'
import { until } from '../../support/until.ts'

const redis = await startRedis()
t.teardown(() => redis.stop())
const BO = 'gmail:bo@example.com'
const OTHERS = Array.from({ length: 20 }, (_, index): MailboxId => `gmail:${index}@example.com`)

t.test('tail prints each new entry of all lanes and partitions once', async t => {
  const pipeline = await quiet(t)
  await write(pipeline, 'before', ANA)
  const following = follow(pipeline, 'watch-events')
  await until(() => following.isReading(), 'it waits for entries')
  const names: string[] = []
  for (const [index, mailbox] of OTHERS.entries()) {
    for (const lane of LANES) {
      names.push(`${lane}-${index}`)
      await write(pipeline, `${lane}-${index}`, mailbox, lane)
    }
  }
  await until(() => following.lines().length === names.length, 'all are printed')
  t.same(
    following
      .lines()
      .map(line => line.split(/ +/)[3])
      .sort(),
    names.toSorted(),
  )
  t.match(
    following.lines()[0],
    /^\d\d:\d\d:\d\d\.\d{3} {2}(live|bulk) {2}gmail:\d+@example\.com {2}\S+ {2}\{"cause":"request"\}$/,
  )
  await following.stop()
  await write(pipeline, 'after', BO)
  t.equal(following.lines().length, names.length)
})

t.test('entries between two reads are not skipped', async t => {
  const pipeline = await quiet(t)
  const following = follow(pipeline, 'watch-events', {
    onPrint(count) {
      if (count > 1) return
      void write(pipeline, 'meanwhile', BO, 'bulk')
      // Redis has the entry before the next read starts.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100)
    },
  })
  await until(() => following.isReading(), 'it waits for entries')
  await write(pipeline, 'first', ANA)
  await until(() => following.lines().length === 2, 'both are printed')
  t.same(
    following.lines().map(line => line.split(/ +/)[3]),
    ['first', 'meanwhile'],
  )
  await following.stop()
})

t.test('tail --from-start --json prints all entries and consumes none', async t => {
  const mailbox = fakeMailbox()
  const pipeline = await startPipeline(redis, mailbox)
  t.teardown(() => pipeline.stop())
  mailbox.deliver(3, 1)
  await pipeline.sync()
  const json = follow(pipeline, 'analysis-tasks', { json: true, fromStart: true })
  await until(() => json.lines().length === 1, 'the task is printed')
  t.match(JSON.parse(json.lines()[0] ?? ''), {
    stream: 'analysis-tasks',
    entryId: /^\d+-\d+$/,
    envelope: { mailbox: ANA, body: { messages: [{ subject: 'About t0' }, {}, {}] } },
  })
  await json.stop()
  const short = follow(pipeline, 'analysis-tasks', { fromStart: true })
  await until(() => short.lines().length === 1, 'the task is printed')
  t.notMatch(short.lines()[0], /About|This is|Ana/)
  await short.stop()
  const { app } = pipeline
  const key = app.keys.stream(app.keys.partitionOf(ANA), 'message-ids', 'bulk')
  const ids = follow(pipeline, 'message-ids', { fromStart: true })
  await until(() => ids.lines().length === 3, 'all are printed')
  await ids.stop()
  const groups = (await app.redis.xinfo('GROUPS', key)) as unknown[]
  t.equal(groups.length, 1, 'the stage’s own')
})

t.test('an unreadable entry is printed as unreadable', async t => {
  const pipeline = await quiet(t)
  const { redis: client, keys } = pipeline.app
  await client.xadd(keys.stream('p00', 'merged', 'live'), '*', 'envelope', 'a secret that is no envelope')
  const following = follow(pipeline, 'merged', { fromStart: true })
  await until(() => following.lines().length === 1, 'it is printed')
  t.match(following.lines()[0], /^\d+-0 {2}unreadable$/)
  await following.stop()
})

t.test('tail reconnects without loss or duplicates', async t => {
  const pipeline = await quiet(t)
  const following = follow(pipeline, 'watch-events')
  await until(() => following.isReading(), 'it waits for entries')
  await write(pipeline, 'one', ANA)
  await until(() => following.lines().length === 1, 'it is printed')
  await until(
    async () => (await redis.client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')) !== undefined,
    'all are disconnected',
  )
  await until(() => write(pipeline, 'two', ANA).then(() => true), 'the test is connected again')
  await until(() => following.lines().length >= 2, 'the second is printed')
  t.same(
    following.lines().map(line => line.split(/ +/)[3]),
    ['one', 'two'],
  )
  await following.stop()
})

t.test('an unknown stream causes an error with the valid names', async t => {
  const pipeline = await quiet(t)
  const { context } = commandContext(pipeline, false, new AbortController().signal)
  await t.rejects(
    tail(context, 'mergd', { fromStart: false }),
    /"mergd" is not a stream; the streams are watch-events, message-ids, .*merged, threads, due-tasks, analysis-tasks/,
  )
})

t.test('an aborted signal ends tail at once', async t => {
  const pipeline = await quiet(t)
  const { context } = commandContext(pipeline, false, AbortSignal.abort())
  await t.resolves(tail(context, 'merged', { fromStart: true }))
})

t.test('tail stops while Redis is gone', async t => {
  const pipeline = await quiet(t)
  const all = [1, 2, 3, 4].map(() => follow(pipeline, 'merged'))
  await until(() => all[0]?.isReading(), 'it waits for entries')
  await redis.kill('SIGKILL')
  let tries = 0
  const gone = createServer(socket => {
    tries += 1
    socket.destroy()
  }).listen(redis.port, '127.0.0.1')
  await until(() => tries >= 40, 'they keep retrying')
  gone.close()
  // By now each connection waits to reconnect with an unanswered command; one that was just refused would stop anyway.
  await sleep(600)
  await Promise.all(all.map(following => following.stop()))
  await redis.restart()
})

/** Opens a pipeline without stages. */
async function quiet(t: { teardown(work: () => Promise<void>): void }): Promise<TestPipeline> {
  const pipeline = await startPipeline(redis, fakeMailbox(), { only: [] })
  t.teardown(() => pipeline.stop())
  return pipeline
}

async function write(
  { app: { redis: client, keys } }: TestPipeline,
  id: string,
  mailbox: MailboxId,
  lane: Lane = 'live',
) {
  const body = { cause: 'request' }
  const text = encodeEnvelope({ id, run: id, mailbox, at: Date.now(), attempt: 0, lane, body })
  await client.xadd(keys.stream(keys.partitionOf(mailbox), 'watch-events', lane), '*', 'envelope', text)
}

function follow(
  pipeline: TestPipeline,
  stream: string,
  options: { json?: boolean; fromStart?: boolean; onPrint?: (count: number) => void } = {},
) {
  const stopping = new AbortController()
  const { context, lines } = commandContext(pipeline, options.json === true, stopping.signal)
  const { print } = context
  context.print = text => {
    print(text)
    options.onPrint?.(lines.length)
  }
  const ended = tail(context, stream, { fromStart: options.fromStart === true })
  return {
    lines: () => lines,
    isReading: async () => /cmd=xread /.test(String(await redis.client.client('LIST'))),
    async stop() {
      stopping.abort()
      await ended
    },
  }
}

function commandContext({ app: { config } }: TestPipeline, json: boolean, signal: AbortSignal) {
  const lines: string[] = []
  const context = contextFor({
    config: { ...config, REDIS_URL: redis.url },
    json,
    signal,
    print: text => lines.push(text),
  })
  return { context, lines }
}
