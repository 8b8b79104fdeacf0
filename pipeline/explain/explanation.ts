import { messageIdsIn } from '../../shared/redis/known.ts'
import { type RunRecord, readRun } from '../../shared/redis/runs.ts'
import { analysisTasks, type SettledId, threads } from '../../shared/streams.ts'
import type { Task } from '../../shared/task/task.ts'
import type { AppContext } from '../base/app.ts'
import type { Journey } from './journey.ts'
import type { Location } from './locate-message.ts'

/** What is known of one message in one run, and what has become of it there. */
export interface Explanation extends Journey {
  state: RunRecord | undefined
  elsewhere: readonly Location[]
  fate: { fate: string; reason: string | undefined } | undefined
  /** Each window it was in, and how many fates that waits for; `undefined` where it is forgotten. */
  windows: readonly { window: string; merged: boolean; missing: number | undefined }[]
  thread: ThreadState | undefined
  tasks: readonly { task: string; version: string; at: number }[]
  /** How long the message is kept in the cache yet; `undefined` when it is not there. */
  cachedForSeconds: number | undefined
}

interface ThreadState {
  thread: string
  known: number
  /** This message is among those. */
  holds: boolean
  dispatched: string | undefined
  /** It waits in the run until every window is grouped. */
  waits: boolean
}

/** Gathers it: all that waits elsewhere is given, and what is this run's is taken from it. */
export async function explanationOf(
  app: AppContext,
  journey: Journey,
  elsewhere: readonly Location[],
): Promise<Explanation> {
  const { redis, keys } = app
  const { mailbox, run, message, hops } = journey
  const partition = keys.partitionOf(mailbox)
  const bodies = hops.map(({ envelope }) => envelope.body as Partial<SettledId> & { thread?: string })
  const names = [
    ...new Set(bodies.flatMap(({ window, id }) => (window !== undefined && id === message ? [window] : []))),
  ]
  const thread = bodies.findLast(body => body.thread !== undefined)?.thread
  const settled = bodies.findLast(({ fate }) => fate !== undefined)
  const left = await redis.ttl(keys.message(mailbox, message))
  return {
    mailbox,
    run,
    message,
    hops,
    state: await readRun(redis, keys, partition, run),
    elsewhere: elsewhere.filter(one => one.run === run),
    fate: settled?.fate && { fate: settled.fate, reason: settled.reason },
    windows: await Promise.all(names.map(window => windowState(app, journey, window))),
    thread: thread === undefined ? undefined : await threadState(app, journey, thread),
    tasks: hops
      .filter(({ stream }) => stream === analysisTasks.name)
      .map(({ envelope, writtenAt }) => {
        const { task, version } = envelope.body as Task
        return { task, version, at: writtenAt }
      }),
    cachedForSeconds: left === -2 ? undefined : left,
  }
}

async function windowState({ redis, keys }: AppContext, { mailbox, run, hops }: Journey, window: string) {
  const [of, done] = await redis.hmget(keys.window(keys.partitionOf(mailbox), run, window), 'of', 'done')
  const merged = hops.some(({ envelope }) => envelope.id === `${run}/${window}`)
  return { window, merged, missing: of ? Number(of) - Number(done ?? 0) : merged ? 0 : undefined }
}

async function threadState({ redis, keys }: AppContext, { mailbox, run, message, hops }: Journey, thread: string) {
  const [fields, dispatched, waits] = await Promise.all([
    redis.hkeys(keys.thread(mailbox, thread)),
    redis.hget(keys.thread(mailbox, thread), 'dispatched'),
    redis.zscore(keys.runThreads(keys.partitionOf(mailbox), run), thread),
  ])
  const known = messageIdsIn(fields)
  const out = hops.some(({ stream }) => stream === threads.name)
  const holds = known.includes(message)
  return { thread, known: known.length, holds, dispatched: dispatched ?? undefined, waits: waits !== null && !out }
}
