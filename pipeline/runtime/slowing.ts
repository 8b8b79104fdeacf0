import { MailError } from '../../shared/error.ts'
import type { Fetched, Mailbox } from '../../shared/mailbox.ts'

const FIRST_PAUSE_MS = 1000
const LONGEST_PAUSE_MS = 15_000

/**
 * Adds a pause to each rate limit of a mailbox whose provider gave none: a second, then `factor` times as long for each refusal in a row, and
 * 15 seconds at most. Refusals of concurrent calls count once. A served call resets the pause.
 */
export function createSlowing({ factor, now }: { factor: number; now: () => number }): (mailbox: Mailbox) => Mailbox {
  let refusals = 0
  let lastAt = Number.NEGATIVE_INFINITY

  return mailbox => ({
    ...mailbox,
    open: (call, knownUntil) => slowed(() => mailbox.open(call, knownUntil)),
    changes: (since, page, call) => slowed(() => mailbox.changes(since, page, call)),
    probe: call => slowed(() => mailbox.probe(call)),
    watch: call => slowed(() => mailbox.watch(call)),
    stop: call => slowed(() => mailbox.stop(call)),
    fetch: async (wanted, call) => {
      const beganAt = now()
      const answers = await slowed(() => mailbox.fetch(wanted, call), areServed)
      if (![...answers.values()].some(isUndated)) return answers
      const retryAfterMs = areServed(answers) ? pauseMs() : refused(beganAt)
      return new Map([...answers].map(([id, one]) => [id, isUndated(one) ? { ...one, retryAfterMs } : one]))
    },
  })

  async function slowed<T>(ask: () => Promise<T>, isServed: (answer: T) => boolean = () => true): Promise<T> {
    const beganAt = now()
    try {
      const answer = await ask()
      if (isServed(answer)) refusals = 0
      return answer
    } catch (thrown) {
      if (!(thrown instanceof MailError) || !thrown.isRateLimit || thrown.retryAfterMs !== undefined) throw thrown
      throw new MailError('throttled', thrown.message, { cause: thrown, retryAfterMs: refused(beganAt) })
    }
  }

  function refused(beganAt: number): number {
    if (beganAt >= lastAt) {
      refusals += 1
      lastAt = now()
    }
    return pauseMs()
  }

  function pauseMs(): number {
    return Math.min(LONGEST_PAUSE_MS, Math.round(FIRST_PAUSE_MS * factor ** Math.max(0, refusals - 1)))
  }
}

function areServed(answers: ReadonlyMap<unknown, Fetched>): boolean {
  const outcomes = [...answers.values()]
  return outcomes.length === 0 || outcomes.some(({ outcome }) => outcome !== 'throttled' && outcome !== 'failed')
}

function isUndated(one: Fetched): one is Extract<Fetched, { outcome: 'throttled' }> {
  return one.outcome === 'throttled' && one.retryAfterMs === undefined
}
