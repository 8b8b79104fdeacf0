import type { Redis } from 'ioredis'
import { LANES } from '../envelope.ts'
import type { StageName } from '../stage.ts'
import { STREAMS, type Stream } from '../streams.ts'
import type { Keys, Partition } from './keys.ts'
import { trimScript } from './scripts.ts'

/** A stage as far as its streams go: its group must have acknowledged an entry before that may be trimmed. */
export interface Reading {
  name: StageName
  reads: readonly Stream[]
}

/** A stream that work travels in, with the groups that are expected on it. */
export interface WorkStream {
  key: string
  groups: readonly StageName[]
}

/** A group that no stage reads with and that keeps entries from being trimmed after the retention is over. */
export interface HeldBack {
  /** The stream's key. */
  stream: string
  group: string
  /** How old the oldest entry is that it keeps. */
  ageMs: number
}

/** How many entries were removed, and who keeps more from being removed. */
export interface Trimmed {
  removed: number
  held: readonly HeldBack[]
}

/** The streams of a partition that work is handed over in, both lanes; the tasks have no group of ours: their readers are the user's. */
export function workStreams(keys: Keys, partition: Partition, stages: readonly Reading[]): WorkStream[] {
  return STREAMS.flatMap(({ name }) => {
    const groups = stages.filter(({ reads }) => reads.some(stream => stream.name === name)).map(stage => stage.name)
    return LANES.map(lane => ({ key: keys.stream(partition, name, lane), groups }))
  })
}

/**
 * Trims the work streams of a partition. An entry goes when every group of its stream has acknowledged it and it is older than
 * `retentionMs` by the server's clock, in whole nodes; a stream whose stage never made its group keeps all. No group is ever removed.
 * Safe to do at any time, in several processes; repeats itself until nothing more can go or the signal is aborted.
 */
export async function trimPartition(
  redis: Redis,
  keys: Keys,
  partition: Partition,
  options: { stages: readonly Reading[]; retentionMs: number; signal?: AbortSignal },
): Promise<Trimmed> {
  const streams = workStreams(keys, partition, options.stages)
  const args = [options.retentionMs, ...streams.map(({ groups }) => JSON.stringify(groups))]
  let removed = 0
  for (;;) {
    // The server limits what one call removes, so that others get their turn.
    const answer = await trimScript(
      redis,
      streams.map(({ key }) => key),
      args,
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
