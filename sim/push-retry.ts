import { setTimeout as wait } from 'node:timers/promises'

/** How a delivery is repeated until it is taken. */
export interface Repeating {
  firstBackoffMs: number
  longestBackoffMs: number
  mostAttempts: number
  /** How many times faster the waits pass. */
  speed: number
  closing: AbortSignal
  /** Told of each attempt that was not taken. */
  refused: () => void
}

/** Delivers until it is taken, waiting longer each time; false where it was given up. Rejects with AbortError once `closing` aborts. */
export async function deliverRepeatedly(post: () => Promise<boolean>, repeating: Repeating): Promise<boolean> {
  const { firstBackoffMs, longestBackoffMs, mostAttempts, speed, closing, refused } = repeating
  for (let attempt = 0; attempt < mostAttempts; attempt++) {
    if (await post()) return true
    refused()
    await wait(Math.min(firstBackoffMs * 2 ** attempt, longestBackoffMs) / speed, undefined, { signal: closing })
  }
  return false
}
