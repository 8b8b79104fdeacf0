import { messageIdsIn } from '../../shared/redis/known.ts'
import { type RunRecord, readRun } from '../../shared/redis/runs.ts'
import { THREAD, WINDOW } from '../../shared/redis/schema.ts'
import { analysisTasks, type SettledId, threads } from '../../shared/streams.ts'
import type { Task } from '../../shared/task/schema.ts'
import type { AppContext } from '../base/app.ts'
import type { Journey } from './journey.ts'
import type { Location } from './locate-message.ts'

/** The state of one message in one run, with its fate, windows, thread and tasks. */
export interface Explanation extends Journey {
  state: RunRecord | undefined
  elsewhere: readonly Location[]
  fate: { fate: string; reason: string | undefined } | undefined
  /** Its windows, and how many fates each still waits for; `undefined` for an expired window. */
  windows: readonly { window: string; merged: boolean; missing: number | undefined }[]
  thread: ThreadState | undefined
  tasks: readonly { task: string; version: string; at: number }[]
  /** The remaining seconds in the cache; `undefined` when the message is not cached. */
  cachedForSeconds: number | undefined
}

interface ThreadState {
  thread: string
  known: number
  /** Whether this message is one of the known ones. */
  holds: boolean
  dispatched: string | undefined
  /** The last emitted version that became no task, and why. */
  withheld: { version: string; why: string } | undefined
  /** Whether the thread waits in the run until every window is grouped. */
  waits: boolean
}

/** Builds the explanation of a journey; `elsewhere` holds the locations of all runs, and those of this run are kept. */
export async function explanationOf(
  app: AppContext,
  journey: Journey,
  elsewhere: readonly Location[],
): Promise<Explanation> {
  const { redis, keys } = app
  const { mailbox, run, message, hops } = journey
  const partition = keys.partitionOf(mailbox)
  const bodies = hops.map(({ envelope }) => envelope.body as Partial<SettledId> & { thread?: string })
  const windowIds = [
    ...new Set(bodies.flatMap(({ window, id }) => (window !== undefined && id === message ? [window] : []))),
  ]
  const thread = bodies.findLast(body => body.thread !== undefined)?.thread
  const settled = bodies.findLast(({ fate }) => fate !== undefined)
  const ttlSeconds = await redis.ttl(keys.message(mailbox, message))
  return {
    mailbox,
    run,
    message,
    hops,
    state: await readRun(redis, keys, partition, run),
    elsewhere: elsewhere.filter(one => one.run === run),
    fate: settled?.fate && { fate: settled.fate, reason: settled.reason },
    windows: await Promise.all(windowIds.map(window => windowState(app, journey, window))),
    thread: thread === undefined ? undefined : await threadState(app, journey, thread),
    tasks: hops
      .filter(({ stream }) => stream === analysisTasks.name)
      .map(({ envelope, writtenAt }) => {
        const { task, version } = envelope.body as Task
        return { task, version, at: writtenAt }
      }),
    cachedForSeconds: ttlSeconds === -2 ? undefined : ttlSeconds,
  }
}

async function windowState({ redis, keys }: AppContext, { mailbox, run, hops }: Journey, window: string) {
  const [of, done] = await redis.hmget(keys.window(keys.partitionOf(mailbox), run, window), WINDOW.of, WINDOW.done)
  const merged = hops.some(({ envelope }) => envelope.id === `${run}/${window}`)
  return { window, merged, missing: of ? Number(of) - Number(done ?? 0) : merged ? 0 : undefined }
}

async function threadState({ redis, keys }: AppContext, { mailbox, run, message, hops }: Journey, thread: string) {
  const [fields, [dispatched, withheld], waits] = await Promise.all([
    redis.hkeys(keys.thread(mailbox, thread)),
    redis.hmget(keys.thread(mailbox, thread), THREAD.dispatched, THREAD.withheld),
    redis.zscore(keys.runThreads(keys.partitionOf(mailbox), run), thread),
  ])
  const known = messageIdsIn(fields)
  const isEmitted = hops.some(({ stream }) => stream === threads.name)
  const holds = known.includes(message)
  return {
    thread,
    known: known.length,
    holds,
    dispatched: dispatched ?? undefined,
    withheld: withheldIn(withheld),
    waits: waits !== null && !isEmitted,
  }
}

function withheldIn(text: string | null | undefined): ThreadState['withheld'] {
  const [version = '', why = ''] = text?.split(' ') ?? []
  return why === '' ? undefined : { version, why }
}
