import { MACHINE, type Machine, type Timer } from '../../shared/machine.ts'
import type { Queue } from '../../shared/redis/queue.ts'

/** Returns a stage's delayed entries to its streams when they are due. Any number may run for one stage; each entry returns once. */
export interface Promotion {
  /** Notes when delayed work is due (ms since 1970). */
  expect(dueAt: number): void
  /** Promotes due entries, where there may be some; throws when Redis does not answer. */
  promoteIfDue(): Promise<void>
  /** Returns when the next check for due work is necessary (ms since 1970). */
  nextAt(): number
}

// Entries that other processes delay are noticed within this time.
const PROMOTE_EVERY_MS = 30_000
const AFTER_ERROR_MS = 200

/** Creates a promotion; the first `promoteIfDue` checks at once, and `stopping` ends its timer. */
export function promoteInTime(options: {
  queue: Pick<Queue, 'promote'>
  now: () => number
  stopping: AbortSignal
  machine?: Pick<Machine, 'after'>
}): Promotion {
  const { queue, now, stopping, machine = MACHINE } = options
  let nextAt = 0
  let timer: Timer | undefined
  stopping.addEventListener('abort', () => timer?.cancel(), { once: true })
  return {
    expect,
    nextAt: () => nextAt,
    async promoteIfDue() {
      if (now() >= nextAt) await promote()
    },
  }

  async function promote(): Promise<void> {
    nextAt = now() + PROMOTE_EVERY_MS
    try {
      const due = await queue.promote()
      if (due !== undefined) expect(due)
    } catch (error) {
      // Due entries may remain, and no other process may check sooner.
      expect(now() + AFTER_ERROR_MS)
      throw error
    }
  }

  // The entries that a promotion writes wake a blocked read.
  function expect(dueAt: number): void {
    if (dueAt >= nextAt || stopping.aborted) return
    nextAt = dueAt
    timer?.cancel()
    timer = machine.after(Math.max(1, dueAt - now()), () => void promote().catch(() => undefined))
  }
}
