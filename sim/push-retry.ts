import { setTimeout as wait } from 'node:timers/promises'

/** How deliveries are repeated until they are taken, and where it is counted what became of them. */
export interface Repeating {
  mostAttempts: number
  /** How many times faster the waits pass. */
  speed: number
  closing: AbortSignal
  /** `refused` counts attempts; the others count deliveries. */
  counts: { delivered: number; refused: number; expired: number }
}

const FIRST_BACKOFF_MS = 100
const LONGEST_BACKOFF_MS = 60_000

/** Delivers until it is taken, waiting longer each time, and counts it; false where it was given up. Rejects with AbortError once `closing` aborts. */
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
