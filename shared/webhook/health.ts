/** A time in which nothing should be sent to a receiver, in ms from now, and the failure that caused it. */
export interface Pause {
  waitMs: number
  why: string
  /** The receiver asked for the pause, or limits its pace. */
  isPacing: boolean
}

/** A failure of a receiver. Times are in ms of a clock that never goes back. */
export interface Failed {
  why: string
  sentAt: number
  now: number
  /** The pause that the receiver asks for, in ms. */
  reportedMs?: number | undefined
  /** The receiver asks for a pause or limits its pace, which says nothing about the task. */
  isPacing?: boolean
}

/** What a process knows of a receiver from its answers. */
export interface Health {
  /** Returns the pause that `now` is in. */
  pause(now: number): Pause | undefined
  /** Records that the receiver took a task, or refused it for good. */
  answered(task: string): void
  /**
   * Records that the receiver gave no usable answer to a task. Pauses grow from 2 seconds to 5 minutes while it answers nothing; a pause that
   * it asks for is kept in full, a second at least. Returns no pause where the receiver takes other tasks, so that this one may be the cause.
   */
  failed(task: string, failure: Failed): Pause | undefined
}

const FIRST_PAUSE_MS = 2000
const LONGEST_PAUSE_MS = 5 * 60_000
const LEAST_REPORTED_MS = 1000
// Enough tasks to tell an outage from one task that the receiver cannot take.
const OBSERVED = 20
const MOST_FAILED = 2

/**
 * Creates the record of one receiver. While it is down or unsteady, no failure is laid to a task, so that none becomes a dead letter; once it
 * has answered 18 of the last 20 tasks, a failure may be the task's.
 */
export function createHealth(): Health {
  // The last result of each task, the latest at the end.
  const results = new Map<string, boolean>()
  let pauseMs = 0
  let endsAt = Number.NEGATIVE_INFINITY
  let cause = { why: '', isPacing: false }

  return {
    pause: now => (now < endsAt ? { ...cause, waitMs: Math.ceil(endsAt - now) } : undefined),

    answered(task) {
      record(task, true)
      pauseMs = 0
    },

    failed(task, { why, sentAt, now, reportedMs, isPacing = false }) {
      if (!isPacing) {
        record(task, false)
        if (isSteady()) return undefined
      }
      // Requests that were in flight when the pause began belong to the same failure.
      if (sentAt >= endsAt) pauseMs = Math.min(LONGEST_PAUSE_MS, Math.max(FIRST_PAUSE_MS, pauseMs * 2))
      const waitMs = reportedMs === undefined ? pauseMs : Math.max(LEAST_REPORTED_MS, reportedMs)
      endsAt = Math.max(endsAt, now + waitMs)
      cause = { why, isPacing }
      return { ...cause, waitMs: Math.ceil(endsAt - now) }
    },
  }

  function record(task: string, isAccepted: boolean): void {
    results.delete(task)
    results.set(task, isAccepted)
    for (const oldest of results.keys()) {
      if (results.size <= OBSERVED) return
      results.delete(oldest)
    }
  }

  function isSteady(): boolean {
    const failed = [...results.values()].filter(isAccepted => !isAccepted).length
    return results.size === OBSERVED && failed <= MOST_FAILED
  }
}
