import type { Redis } from 'ioredis'
import type { Keys, Partition } from './keys.ts'
import { reapScript } from './scripts.ts'
import { type Reading, workStreams } from './trim.ts'

/** A removed consumer. */
export interface Reaped {
  /** The stream's key. */
  stream: string
  group: string
  consumer: string
}

/**
 * Removes consumers of the stages' groups that were silent for `idleMs` and have no pending entry; the removing script checks both. A
 * consumer that is still alive loses nothing: it reappears with its next entry.
 */
export async function reapPartition(
  redis: Redis,
  keys: Keys,
  partition: Partition,
  options: { stages: readonly Reading[]; idleMs: number },
): Promise<Reaped[]> {
  const places = workStreams(keys, partition, options.stages).flatMap(({ key, groups }) =>
    groups.map(group => ({ key, group })),
  )
  const answer = await reapScript(
    redis,
    places.map(({ key }) => key),
    [options.idleMs, ...places.map(({ group }) => group)],
  )
  return (answer as [place: number, consumer: string][]).map(([place, consumer]) => {
    const { key: stream = '', group = '' } = places[place - 1] ?? {}
    return { stream, group, consumer }
  })
}
