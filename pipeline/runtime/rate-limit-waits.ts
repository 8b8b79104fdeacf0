import type { Work } from '../../shared/redis/commit.ts'
import { itemsOf } from '../../shared/redis/entry.ts'
import type { Outcome } from '../../shared/stage.ts'

interface RateLimitWait {
  run: string
  /** In ms since 1970. */
  from: number
  until: number
}

/** Rate-limit waits of batches in this process, until a commit of their run records them. */
export interface RateLimitWaits {
  /** Notes a wait until `until` (ms since 1970) where the outcome has rate-limited items. */
  note(outcome: Outcome<unknown>, until: number): void
  /** Removes and returns the waits of the runs in this work. */
  take(work: Work): RateLimitWait[]
}

/** Creates an empty record of waits. */
export function createRateLimitWaits(now: () => number): RateLimitWaits {
  const byRun = new Map<string, RateLimitWait[]>()
  return {
    note({ failed = [] }, until) {
      const limited = failed.filter(({ error }) => error.isRateLimit)
      for (const run of new Set(limited.map(({ item }) => item.run))) {
        const waits = byRun.get(run) ?? []
        byRun.set(run, waits)
        const from = now()
        const last = waits.at(-1)
        // Overlapping and adjacent waits are one wait.
        if (last && from <= last.until) last.until = Math.max(last.until, until)
        else waits.push({ run, from, until })
      }
    },
    take({ inputs }) {
      if (byRun.size === 0) return []
      const runs = new Set(inputs.flatMap(itemsOf).map(({ run }) => run))
      return [...runs].flatMap(run => {
        const waits = byRun.get(run) ?? []
        byRun.delete(run)
        return waits
      })
    },
  }
}
