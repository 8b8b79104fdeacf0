import type { Redis } from 'ioredis'
import { LANES } from '../envelope.ts'
import type { StageName } from '../stage.ts'
import { STREAMS, type Stream } from '../streams.ts'
import type { Keys, Partition } from './keys.ts'
import { trimScript } from './scripts.ts'

/** A stage's streams; its group must acknowledge an entry before the entry may be trimmed. */
export interface Reading {
  name: StageName
  reads: readonly Stream[]
}

/** A stream of work, with its expected groups. */
export interface WorkStream {
  key: string
  groups: readonly StageName[]
  fromWorkers: boolean
}

/** An unexpected group that keeps entries beyond the retention. */
export interface HeldBack {
  /** The stream's key. */
  stream: string
  group: string
  /** The age of the oldest entry it keeps. */
  ageMs: number
}

/** How many entries were removed, and which groups keep more. */
export interface Trimmed {
  removed: number
  held: readonly HeldBack[]
}

/** Returns the work streams of a partition, both lanes. Tasks and answers have none of our groups: others read them. */
export function workStreams(keys: Keys, partition: Partition, stages: readonly Reading[]): WorkStream[] {
  return STREAMS.flatMap(({ name, fromWorkers = false }) => {
    const groups = stages.filter(({ reads }) => reads.some(stream => stream.name === name)).map(stage => stage.name)
    return LANES.map(lane => ({ key: keys.stream(partition, name, lane), groups, fromWorkers }))
  })
}

/**
 * Trims the work streams of a partition, in whole nodes. An entry is removed once every group of its stream has acknowledged it and it is
 * older than `retentionMs` by the server's clock. A stream whose stage never created its group keeps everything; answers that no
 * group reads stay for `unreadMs`, or for ever without it. No group is ever removed.
 * Safe at any time, in several processes; repeats until nothing more can be removed or the signal is aborted.
 */
export async function trimPartition(
  redis: Redis,
  keys: Keys,
  partition: Partition,
  options: { stages: readonly Reading[]; retentionMs: number; unreadMs?: number; signal?: AbortSignal },
): Promise<Trimmed> {
  const streams = workStreams(keys, partition, options.stages)
  const { retentionMs, unreadMs } = options
  const args = streams.map(({ groups, fromWorkers }) =>
    JSON.stringify({ groups, ...(fromWorkers ? { unreadMs } : {}) }),
  )
  let removed = 0
  for (;;) {
    // One call removes a limited number, so that other clients get their turn.
    const answer = await trimScript(
      redis,
      streams.map(({ key }) => key),
      [retentionMs, ...args],
    )
    const [count, held] = answer as [number, [place: number, group: string, ageMs: number][]]
    removed += count
    if (count > 0 && !options.signal?.aborted) continue
    return {
      removed,
      held: held.map(([place, group, ageMs]) => ({ stream: streams[place - 1]?.key ?? '', group, ageMs })),
    }
  }
}
