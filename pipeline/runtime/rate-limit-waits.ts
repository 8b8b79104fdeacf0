import type { Work } from '../../shared/redis/commit.ts'
import { itemsOf } from '../../shared/redis/entry.ts'
import type { Outcome } from '../../shared/stage.ts'

interface Rest {
  run: string
  /** In ms since 1970. */
  from: number
  until: number
}

/** Waits for a rate limit that batches spend in this process, until a commit of their run puts them down. */
export interface Rests {
  /** Notes that a batch with this outcome waits until then (ms since 1970), where a rate limit is the reason. */
  note(outcome: Outcome<unknown>, until: number): void
  /** The waits of the runs that this work is of; they are handed out once. */
  take(work: Work): Rest[]
}

/** No waits yet. */
export function createRests(now: () => number): Rests {
  const ofRun = new Map<string, Rest[]>()
  return {
    note({ failed = [] }, until) {
      const limited = failed.filter(({ error }) => error.isRateLimit)
      for (const run of new Set(limited.map(({ item }) => item.run))) {
        const rests = ofRun.get(run) ?? []
        ofRun.set(run, rests)
        const from = now()
        const last = rests.at(-1)
        // What touches the wait before it is one wait with it.
        if (last && from <= last.until) last.until = Math.max(last.until, until)
        else rests.push({ run, from, until })
      }
    },
    take({ inputs }) {
      if (ofRun.size === 0) return []
      const runs = new Set(inputs.flatMap(itemsOf).map(({ run }) => run))
      return [...runs].flatMap(run => {
        const rests = ofRun.get(run) ?? []
        ofRun.delete(run)
        return rests
      })
    },
  }
}
