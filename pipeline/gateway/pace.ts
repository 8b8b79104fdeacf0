// A client that floods waits for each answer before it asks again: answered late, it leaves the event loop to others.
const A_SECOND = 200
const AT_ONCE = 20
const LONGEST_MS = 500

/** How long (ms) the next refusal waits before it is answered, given the time (ms). */
export type Pace = (now: number) => number

/**
 * How long (ms) each refusal waits before it is answered, given the time (ms). Ordinary numbers wait for nothing; in a flood 200 a second
 * are answered, and none waits for more than half a second.
 */
export function createPace(): Pace {
  const share = 1000 / A_SECOND
  let dueAt = 0
  return now => {
    dueAt = Math.min(Math.max(dueAt, now - AT_ONCE * share) + share, now + LONGEST_MS)
    return Math.max(0, dueAt - now)
  }
}
