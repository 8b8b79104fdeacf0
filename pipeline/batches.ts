import { filter, groupBy, mergeMap, type OperatorFunction, race, skip, take, timer, toArray } from 'rxjs'
import type { Entry } from '../shared/redis/commit.ts'
import type { Pace } from '../shared/stage.ts'
import type { Stream } from '../shared/streams.ts'

const MOST_OPEN_GROUPS = 10_000

/**
 * Gathers entries into batches of one mailbox: of `size`, or what has come within `waitMs` of the first, or sooner when nothing more
 * can be coming because all siblings of an entry are here. Completing the source lets the last partial batches out.
 */
export function inBatches<In>(
  pace: Pick<Pace, 'size' | 'waitMs'>,
  reads: readonly Stream<In>[],
): OperatorFunction<Entry<In>, Entry<In>[]> {
  return source => {
    const isLast = countSiblings(reads)
    return source.pipe(
      groupBy(entry => entry.envelope.mailbox, {
        // `isLast` counts, so it must see every entry: it comes before what may end the race.
        duration: batch =>
          race(batch.pipe(filter(isLast)), batch.pipe(skip(pace.size - 1)), timer(pace.waitMs)).pipe(take(1)),
      }),
      mergeMap(batch => batch.pipe(toArray())),
    )
  }
}

/** Tells of each entry whether it is the last of its siblings, or has none. */
function countSiblings<In>(reads: readonly Stream<In>[]): (entry: Entry<In>) => boolean {
  const seen = new Map<string, number>()
  return ({ stream, envelope }) => {
    const siblings = reads.find(({ name }) => name === stream)?.siblings?.(envelope.body)
    if (!siblings) return true
    const group = `${envelope.run}/${siblings.group}`
    const count = (seen.get(group) ?? 0) + 1
    // Forgetting the oldest costs no more than a wait of `waitMs`.
    if (seen.size > MOST_OPEN_GROUPS) seen.delete(seen.keys().next().value ?? '')
    if (count >= siblings.size) seen.delete(group)
    else seen.set(group, count)
    return count >= siblings.size
  }
}
