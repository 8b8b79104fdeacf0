import t, { type Test } from 'tap'
import { type AppContext, openApp } from '../../../pipeline/base/app.ts'
import { createTaskKeeping } from '../../../pipeline/keeper/task-keeping.ts'
import { unreadLine, withTaskRoom } from '../../../pipeline/runtime/task-room.ts'
import { readConfig } from '../../../shared/config.ts'
import type { Envelope, Lane } from '../../../shared/envelope.ts'
import { readUnread } from '../../../shared/redis/unread.ts'
import type { Stage, StageContext } from '../../../shared/stage.ts'
import { messageIds, watchEvents } from '../../../shared/streams.ts'
import { fakeMailbox } from '../../support/fake-mailbox.ts'
import { ANA, startPipeline } from '../../support/pipeline.ts'
import { startRedis } from '../../support/redis.ts'
import { until } from '../../support/until.ts'

const DAY_MS = 24 * 3_600_000
const SIZE = 1000
const server = await startRedis('--stream-node-max-entries', '1')
t.teardown(() => server.stop())
t.beforeEach(() => server.client.flushall())

interface Reported {
  level: string
  facts: Record<string, unknown>
  text: string
}

t.test('bulk listing alone pauses at four fifths, and resumes once tasks are read', async t => {
  let clock = Date.now()
  const app = await openIn(t, { maxTasks: 100, now: () => clock })
  const reported: Reported[] = []
  const stage = withTaskRoom(counting(), app, logTo(reported))
  await write(app, 60)
  t.equal(await listed(stage, 'bulk'), true)
  await write(app, 40)
  clock += 5000
  t.equal(await listed(stage, 'bulk'), false)
  t.equal(await listed(stage, 'live'), true)
  t.equal(await listed(stage, 'bulk'), false)
  t.match(reported, [{ level: 'warn', text: /bulk listing pauses/, facts: { tasks: 100, mb: Number, ofMb: Number } }])
  t.equal(reported.length, 1, 'it is logged once')
  await acknowledge(app, 20)
  clock += 5000
  t.equal(await listed(stage, 'bulk'), false, 'it does not come and go')
  await acknowledge(app, 40)
  clock += 5000
  t.equal(await listed(stage, 'bulk'), true)
  t.match(reported.slice(1), [{ level: 'info', text: /resumes/, facts: { tasks: 40, pausedMs: 10_000 } }])
})

t.test('the keeper warns first, drops only the excess, and logs it', async t => {
  let clock = Date.now()
  const app = await openIn(t, { maxTasks: 100, now: () => clock })
  const reported: Reported[] = []
  const duty = createTaskKeeping(app, logTo(reported))
  const round = () => duty(async () => true)
  await write(app, 70)
  await round()
  t.same(reported, [], 'there is room')
  await write(app, 50)
  await round()
  t.match(reported, [{ level: 'warn', text: /above it the oldest are dropped/, facts: { tasks: 120 } }])
  t.equal(await left(app), 120, 'nothing is dropped unsaid')
  await round()
  const dropped = 120 - (await left(app))
  t.ok(dropped >= 10 && dropped <= 50, `${dropped} were dropped`)
  t.match(reported.slice(1), [{ level: 'error', text: /dropped the oldest unread tasks/, facts: { tasks: dropped } }])
  await round()
  t.equal(reported.length, 2, 'and is silent while all is well')
  clock += DAY_MS
  await round()
  t.match(reported[2], { level: 'warn' }, 'a day later it warns again')
})

t.test('tasks unread for a month are dropped after a warning', async t => {
  const app = await openIn(t, { maxTasks: 1000 })
  const reported: Reported[] = []
  const duty = createTaskKeeping(app, logTo(reported))
  await write(app, 3, 31 * DAY_MS)
  await write(app, 2, 20 * DAY_MS)
  await duty(async () => true)
  t.match(reported, [{ level: 'warn', text: /raise TASK_RETENTION/, facts: { tasks: 5, days: 31 } }])
  await duty(async () => true)
  t.match(reported.slice(1), [{ level: 'error', facts: { tasks: 3, setting: 'TASK_RETENTION' } }])
  t.equal(await left(app), 2)
})

t.test('the status line shows unread tasks, their age and the pause', async t => {
  const app = await openIn(t, { maxTasks: 100 })
  t.equal(await line(app), 'Unread tasks: none')
  await write(app, 90, 3 * DAY_MS)
  const expected = /^Unread tasks: 90 \(0\.\d of 0\.\d MB\), the oldest 3 days old; bulk listing pauses/
  t.match(await line(app), expected)
})

t.test('a first sync waits while unread tasks fill the room', async t => {
  const mailbox = fakeMailbox()
  const pipeline = await startPipeline(server, mailbox, { only: [], settings: { TASK_MAX_BYTES: '10000' } })
  t.teardown(() => pipeline.stop())
  await write(pipeline.app, 20)
  mailbox.deliver(5)
  await pipeline.request()
  pipeline.start()
  const { keys } = pipeline.app
  const delayed = keys.delay(keys.partitionOf(ANA), 'list-ids')
  await until(async () => (await server.client.zcard(delayed)) === 1, 'its watch event waits')
  t.same(await pipeline.read(messageIds), [])
})

async function openIn(t: Test, given: { maxTasks: number; now?: () => number }): Promise<AppContext> {
  const settings = { REDIS_PREFIX: 'test', PARTITIONS: '2', TASK_MAX_BYTES: `${given.maxTasks * (await sizeOfOne())}` }
  const app = await openApp(readConfig(settings), server.url)
  t.teardown(() => app.close())
  return { ...app, now: given.now ?? Date.now }
}

/** The memory of a task in these tests, in bytes. */
async function sizeOfOne(): Promise<number> {
  const ids = Array.from({ length: 200 }, (_, n) => `1-${n}`)
  await Promise.all(ids.map(id => server.client.xadd('probe', id, 'envelope', 'x'.repeat(SIZE))))
  const bytes = (await server.client.call('MEMORY', 'USAGE', 'probe', 'SAMPLES', '20')) as number
  await server.client.del('probe')
  return Math.ceil(bytes / ids.length)
}

let written = 0
async function write({ keys }: AppContext, count: number, ageMs = 0): Promise<void> {
  const stream = keys.stream('p00', 'analysis-tasks', 'bulk')
  for (let n = 0; n < count; n += 1) {
    written += 1
    const id = ageMs > 0 ? `${Date.now() - ageMs}-${written}` : '*'
    await server.client.xadd(stream, id, 'envelope', 'x'.repeat(SIZE))
  }
}

async function acknowledge({ keys, redis }: AppContext, count: number): Promise<void> {
  const stream = keys.stream('p00', 'analysis-tasks', 'bulk')
  await redis.xgroup('CREATE', stream, 'workers', '0').catch(() => undefined)
  await redis.call('XREADGROUP', 'GROUP', 'workers', 'me', 'COUNT', count, 'STREAMS', stream, '>')
  const read = (await redis.xpending(stream, 'workers', '-', '+', count)) as [string][]
  await redis.xack(stream, 'workers', ...read.map(([id]) => id))
}

async function left({ keys }: AppContext): Promise<number> {
  return server.client.xlen(keys.stream('p00', 'analysis-tasks', 'bulk'))
}

async function line({ keys, config }: AppContext): Promise<string> {
  const limits = { retentionMs: 7 * DAY_MS, taskRetentionMs: 30 * DAY_MS, maxBytes: config.TASK_MAX_BYTES }
  return unreadLine(await readUnread(server.client, keys, limits), Date.now())
}

/** A first stage without effects. */
function counting(): Stage {
  return {
    name: 'list-ids',
    reads: [watchEvents],
    writes: [],
    pace: { size: 1, waitMs: 0, concurrency: 1 },
    handle: async () => ({}),
    deadLetter: () => ({}),
  }
}

/** Returns whether the stage handles work in this lane. */
async function listed(stage: Stage, lane: Lane): Promise<boolean> {
  const item: Envelope = { id: 'a', run: 'a', mailbox: ANA, at: 0, attempt: 0, lane, body: {} }
  try {
    await stage.handle({ mailbox: ANA, items: [item] }, {} as StageContext)
    return true
  } catch (error) {
    if ((error as { kind?: string }).kind !== 'throttled') throw error
    return false
  }
}

function logTo(reported: Reported[]) {
  const at =
    (level: string) =>
    (...words: unknown[]) =>
      void reported.push({ level, text: String(words.at(-1)), facts: words[0] as Reported['facts'] })
  return { debug: () => undefined, info: at('info'), warn: at('warn'), error: at('error') }
}
