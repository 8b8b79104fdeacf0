import { asapScheduler, auditTime, ignoreElements, merge, mergeMap, type OperatorFunction, Subject, tap } from 'rxjs'
import type { Entry } from '../../shared/redis/entry.ts'
import type { Ending, Lot, Turns } from './turns.ts'

const LONGEST_TIMER_MS = 60_000

/**
 * Works on entries in batches that form late: only when one of the slots is free does the mailbox whose turn it is give up what it has, up
 * to a batch. So a slow provider makes batches fuller, and no mailbox costs more calls because others are busy too. Completes once the
 * source has and what was begun is done; what has not begun by then stays behind.
 */
export function inBatches<In>(options: {
  turns: Turns<In>
  slots: number
  /** Must not reject. */
  work: (lot: Lot<In>) => Promise<Ending>
  /** A batch has ended, and what it leaves waits in its line. */
  ended: (lot: Lot<In>) => void
  /** Once it has aborted nothing begins any more. */
  stopping: AbortSignal
  now: () => number
}): OperatorFunction<Entry<In>, never> {
  const { turns, work, ended, stopping, now } = options
  const changed = new Subject<void>()
  let [free, isOver] = [options.slots, false]
  let timer: NodeJS.Timeout | undefined

  return source =>
    merge(source.pipe(tap({ next: turns.add, complete: end })), changed).pipe(
      // A read brings many entries: all of them are there before a batch forms.
      auditTime(0, asapScheduler),
      mergeMap(() => begun()),
      mergeMap(async lot => {
        const ending = await work(lot)
        turns.end(lot, ending)
        ended(lot)
        free += 1
        if (isOver) end()
        else changed.next()
      }),
      ignoreElements(),
    )

  function begun(): Lot<In>[] {
    const lots: Lot<In>[] = []
    while (free > 0 && mayBegin()) {
      const lot = turns.next()
      if (!lot) break
      free -= 1
      lots.push(lot)
    }
    clearTimeout(timer)
    const waitMs = turns.nextAt() - now()
    if (free > 0 && mayBegin() && waitMs < Number.POSITIVE_INFINITY) {
      timer = setTimeout(() => changed.next(), Math.min(LONGEST_TIMER_MS, Math.max(1, waitMs)))
    }
    return lots
  }

  function mayBegin(): boolean {
    return !isOver && !stopping.aborted
  }

  function end(): void {
    isOver = true
    clearTimeout(timer)
    if (free === options.slots) changed.complete()
  }
}
