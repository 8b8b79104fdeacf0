import { asapScheduler, auditTime, ignoreElements, merge, mergeMap, type OperatorFunction, Subject, tap } from 'rxjs'
import { MACHINE, type Machine, type Timer } from '../../shared/machine.ts'
import type { Entry } from '../../shared/redis/entry.ts'
import { MINUTE_MS } from '../base/times.ts'
import type { BatchResult, MailboxBatch, Turns } from './turns.ts'

const LONGEST_TIMER_MS = MINUTE_MS

/**
 * Processes entries in batches that form late: when a slot is free, the next mailbox emits its waiting entries, up to a batch. So a slow
 * provider makes batches fuller, and busy mailboxes do not cost others more calls. Completes once the source has completed and the started
 * batches have ended; entries that have not started are dropped.
 */
export function inBatches<In>(options: {
  turns: Turns<In>
  slots: number
  /** Must not reject. */
  work: (lot: MailboxBatch<In>) => Promise<BatchResult>
  /** Called when a batch has ended; its remaining entries wait in their line. */
  ended: (lot: MailboxBatch<In>) => void
  /** No batch starts once this has aborted. */
  stopping: AbortSignal
  now: () => number
  machine?: Pick<Machine, 'after'>
}): OperatorFunction<Entry<In>, never> {
  const { turns, work, ended, stopping, now, machine = MACHINE } = options
  const changed = new Subject<void>()
  let [free, isOver] = [options.slots, false]
  let timer: Timer | undefined

  return source =>
    merge(source.pipe(tap({ next: turns.add, complete: end })), changed).pipe(
      // A read returns many entries; a batch forms after all of them arrived.
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

  function begun(): MailboxBatch<In>[] {
    const lots: MailboxBatch<In>[] = []
    while (free > 0 && mayBegin()) {
      const lot = turns.next()
      if (!lot) break
      free -= 1
      lots.push(lot)
    }
    timer?.cancel()
    const waitMs = turns.nextAt() - now()
    if (free > 0 && mayBegin() && waitMs < Number.POSITIVE_INFINITY) {
      timer = machine.after(Math.min(LONGEST_TIMER_MS, Math.max(1, waitMs)), () => changed.next())
    }
    return lots
  }

  function mayBegin(): boolean {
    return !isOver && !stopping.aborted
  }

  function end(): void {
    isOver = true
    timer?.cancel()
    if (free === options.slots) changed.complete()
  }
}
