import { setTimeout as wait } from 'node:timers/promises'

/** How deliveries are retried until they are accepted, and the counters of their results. */
export interface Repeating {
  mostAttempts: number
  /** The speed-up of the waits. */
  speed: number
  closing: AbortSignal
  /** `refused` counts attempts; the others count deliveries. */
  counts: { delivered: number; refused: number; expired: number }
}

const FIRST_BACKOFF_MS = 100
const LONGEST_BACKOFF_MS = 60_000

/**
 * Delivers with growing waits until accepted, and counts the result; returns false if it expired. Rejects
 * with AbortError once `closing` aborts.
 */
export async function deliverRepeatedly(
  post: () => Promise<boolean>,
  { mostAttempts, speed, closing, counts }: Repeating,
): Promise<boolean> {
  for (let attempt = 0; attempt < mostAttempts; attempt++) {
    if (await post()) {
      counts.delivered += 1
      return true
    }
    counts.refused += 1
    await wait(Math.min(FIRST_BACKOFF_MS * 2 ** attempt, LONGEST_BACKOFF_MS) / speed, undefined, { signal: closing })
  }
  counts.expired += 1
  return false
}
