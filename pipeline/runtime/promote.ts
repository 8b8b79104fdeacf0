import type { Queue } from '../../shared/redis/queue.ts'

/** Puts a stage's delayed work back when it is due. Any number of these may do so for one stage: each entry comes back once. */
export interface Promotion {
  /** Delayed work comes due then (ms since 1970). */
  expect(dueAt: number): void
  /** Puts back what is due by now, where there may be something; throws when Redis does not answer. */
  promoteIfDue(): Promise<void>
  /** When it has to be looked for due work again (ms since 1970). */
  nextAt(): number
}

// What others delay is noticed within this time.
const LOOK_EVERY_MS = 30_000
const AFTER_ERROR_MS = 200

/** Starts with a look at `promoteIfDue`; ends with `stopping`. */
export function promoteInTime(options: {
  queue: Pick<Queue, 'promote'>
  now: () => number
  stopping: AbortSignal
}): Promotion {
  const { queue, now, stopping } = options
  let nextAt = 0
  let timer: NodeJS.Timeout | undefined
  stopping.addEventListener('abort', () => clearTimeout(timer), { once: true })
  return {
    expect,
    nextAt: () => nextAt,
    async promoteIfDue() {
      if (now() >= nextAt) await promote()
    },
  }

  async function promote(): Promise<void> {
    nextAt = now() + LOOK_EVERY_MS
    try {
      const due = await queue.promote()
      if (due !== undefined) expect(due)
    } catch (error) {
      // What is due may still be there, and nobody else may look for it sooner.
      expect(now() + AFTER_ERROR_MS)
      throw error
    }
  }

  // A blocked read is woken by what the promotion writes.
  function expect(dueAt: number): void {
    if (dueAt >= nextAt || stopping.aborted) return
    nextAt = dueAt
    clearTimeout(timer)
    timer = setTimeout(() => promote().catch(() => undefined), Math.max(1, dueAt - now()))
  }
}
