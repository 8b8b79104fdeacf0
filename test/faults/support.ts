import type { Test } from 'tap'
import type { Log } from '../../pipeline/base/log.ts'
import { type Credit, createCredit } from '../../pipeline/runtime/credit.ts'
import { samePace } from '../../pipeline/runtime/paces.ts'
import { startReader } from '../../pipeline/runtime/reader.ts'
import { startStages } from '../../pipeline/runtime/start-stages.ts'
import type { Envelope } from '../../shared/envelope.ts'
import type { Mailbox } from '../../shared/mailbox.ts'
import { connectRedis, openRedis } from '../../shared/redis/connect.ts'
import { createKeys, type Keys } from '../../shared/redis/keys.ts'
import { createQueue, type Queue, type RawEntry } from '../../shared/redis/queue.ts'
import { listRuns } from '../../shared/redis/runs.ts'
import type { Stage } from '../../shared/stage.ts'
import {
  analysisTasks,
  cachedMessages,
  fetchedMessages,
  merged,
  messageIds,
  missingIds,
  type Stream,
  threads,
  watchEvents,
} from '../../shared/streams.ts'
import { merge } from '../../stages/merge.ts'
import type { TestPipeline } from '../support/pipeline.ts'
import type { TestRedis } from '../support/redis.ts'

/** Matches a commit request on the wire; the plan is its first argument. */
export const COMMIT = /evalsha[\s\S]*"inputs":/i

/**
 * Asserts that nothing was lost or doubled: every run adds up, every listed id passed every stage once, no
 * envelope is in a stream twice, and every version of a thread was dispatched once. Only entries that a stage put back may repeat,
 * with one more attempt or marked to be tried alone, and in the streams of `again` unchanged.
 */
export async function isIntact(
  t: Test,
  pipeline: TestPipeline,
  expected: { messages: number; tasks: number; again?: readonly Stream[] },
): Promise<void> {
  const { redis, keys } = pipeline.app
  const runs = await listRuns(redis, keys, 1000)
  t.same(
    runs.filter(run => !run.addsUp || !run.settled).map(({ run }) => run),
    [],
    'every run adds up and is settled',
  )
  const sum = (count: (run: (typeof runs)[number]) => number) => runs.reduce((total, run) => total + count(run), 0)
  t.equal(
    sum(run => run.listed),
    expected.messages,
    'every message was listed once',
  )
  const streams: Stream[] = [
    watchEvents,
    messageIds,
    cachedMessages,
    missingIds,
    fetchedMessages,
    merged,
    threads,
    analysisTasks,
  ]
  for (const stream of streams) {
    if (expected.again?.includes(stream)) continue
    const ids = (await pipeline.read(stream)).map(copyOf)
    t.same(doubles(ids), [], `no envelope is twice in ${stream.name}`)
  }
  const ids = async (stream: Stream) => (await pipeline.read(stream)).map(({ id }) => id)
  const filtered = [...(await ids(cachedMessages)), ...(await ids(missingIds))]
  t.same(missing(await ids(messageIds), filtered), [], 'every listed id was filtered')
  t.same(missing(await ids(missingIds), await ids(fetchedMessages)), [], 'every missing id was fetched')
  const tasks = (await pipeline.read(analysisTasks)).map(({ body }) => body.task)
  t.equal(tasks.length, expected.tasks, 'as many tasks as versions of threads')
  t.same(doubles(tasks), [], 'no version of a thread was dispatched twice')
}

// A delayed envelope carries its attempts, and a suspect is marked.
function copyOf({ id, attempt, suspect }: Envelope): string {
  return `${id}#${attempt}${suspect ? '?' : ''}`
}

/** Returns the elements that occur more than once. */
export function doubles(ids: readonly string[]): string[] {
  const seen = new Set<string>()
  return ids.filter(id => seen.size === seen.add(id).size)
}

function missing(wanted: readonly string[], there: readonly string[]): string[] {
  const found = new Set(there)
  return wanted.filter(id => !found.has(id))
}

/** Counts the commands of these names that the server has executed, inside and outside scripts. */
export async function commandCount({ client }: TestRedis, ...names: string[]): Promise<number> {
  const lines = (await client.info('commandstats')).split('\r\n')
  return lines.reduce((sum, line) => {
    const [, name = '', calls = '0'] = /^cmdstat_([^:]+):calls=(\d+)/.exec(line) ?? []
    return names.length === 0 || names.includes(name) ? sum + Number(calls) : sum
  }, 0)
}

/** A recorded log line. */
export interface Reported {
  log: Log
  lines: { level: string; fields: Record<string, unknown>; text: string }[]
}

/** Creates a log that records its lines and passes the texts on. */
export function keepLog(pass: (text: string) => void = () => undefined): Reported {
  const lines: Reported['lines'] = []
  const at =
    (level: string) =>
    (fields: unknown, text = '') => {
      lines.push({ level, fields: fields as Record<string, unknown>, text })
      pass(text)
    }
  const log = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') } as unknown as Log
  return { log, lines }
}

/** Starts custom stages beside those of a pipeline; the end of the test stops them. */
export function startBeside(
  t: Test,
  { app }: TestPipeline,
  mailbox: Mailbox,
  stages: readonly Stage[],
): { lines: Reported['lines']; stop(drainMs: number): Promise<void> } {
  const { log, lines } = keepLog()
  const running = startStages(stages, app, { mailboxes: () => mailbox, log: { ...log, child: () => log } })
  t.teardown(() => running.stop(0))
  return { lines, stop: running.stop }
}

/** A reader of merge's streams in the test's process. */
export interface TestReader {
  keys: Keys
  /** Its live and its bulk stream in the first partition. */
  live: string
  bulk: string
  queue: Queue
  got: RawEntry[]
  reported: Reported
  reader: ReturnType<typeof startReader>
  credit: Credit
  write(stream: string, count: number): Promise<void>
  /** Acknowledges every entry that is out, as a commit does; returns how many were not acknowledged before. */
  finish(): Promise<number>
}

/** Creates credit for this many entries a lane. */
export function creditFor(entries: number): Credit {
  return createCredit(samePace({ size: 1, waitMs: 0, concurrency: entries / 3 }))
}

/** Starts a reader; it reads from `readUrl` and sends other commands to `redis`. */
export async function startReading(
  t: Test,
  redis: TestRedis,
  options: { readUrl?: string; writeUrl?: string; consumer?: string; leaseMs?: number; capacity?: number } = {},
): Promise<TestReader> {
  const writer = await connectRedis(options.writeUrl ?? redis.url)
  const keys = createKeys('test', 1)
  const live = keys.stream('p00', 'cached-messages', 'live')
  const bulk = keys.stream('p00', 'cached-messages', 'bulk')
  const queue = createQueue({
    redis: writer,
    keys,
    stage: 'merge',
    streams: merge.reads.map(({ name }) => name),
    consumer: options.consumer ?? `test:${Math.random()}`,
    now: Date.now,
  })
  const reported = keepLog()
  const got: RawEntry[] = []
  const credit = creditFor(options.capacity ?? 1000)
  const reader = startReader({
    queue,
    connection: openRedis(options.readUrl ?? redis.url),
    credit,
    leaseMs: options.leaseMs ?? 1000,
    isDead: () => false,
    now: Date.now,
    log: reported.log,
  })
  reader.entries.subscribe(entry => got.push(entry))
  t.teardown(() => {
    reader.stop()
    writer.disconnect()
  })
  return {
    keys,
    live,
    bulk,
    queue,
    got,
    reported,
    reader,
    credit,
    async write(stream, count) {
      const pipeline = redis.client.pipeline()
      for (let n = 0; n < count; n += 1) pipeline.xadd(stream, '*', 'envelope', `${n}`)
      await pipeline.exec()
    },
    async finish() {
      const out = credit.out()
      const acked = await Promise.all(out.map(({ key, entryId }) => redis.client.xack(key, 'merge', entryId)))
      reader.done(out)
      return acked.reduce((sum, one) => sum + one, 0)
    },
  }
}
