import { BrokenCircuitError, ConsecutiveBreaker, circuitBreaker, handleWhen } from 'cockatiel'
import { MailError } from '../shared/error.ts'
import type { Mailbox } from '../shared/mailbox.ts'
import type { Log } from './log.ts'

interface BreakerOptions {
  /** So many failures in a row open it. */
  threshold: number
  /** How long it stays open before one call is let through to try. */
  openMs: number
  now: () => number
  log: Log
}

/** Puts a mailbox behind the breaker of its provider. */
export type Guard = (mailbox: Mailbox) => Mailbox

/**
 * A breaker for one provider: after too many calls in a row that found it unavailable, calls are refused unasked, as throttled, until
 * one that is let through succeeds. An open breaker delays work; it never fails it and uses up no attempt.
 */
export function createGuard({ threshold, openMs, now, log }: BreakerOptions): Guard {
  const breaker = circuitBreaker(
    handleWhen(error => error instanceof MailError && error.kind === 'unavailable'),
    { halfOpenAfter: openMs, breaker: new ConsecutiveBreaker(threshold) },
  )
  let brokenAt = 0
  breaker.onBreak(() => {
    brokenAt = now()
    log.warn({ failures: threshold, openMs }, 'the provider is unavailable: it is left alone for a while')
  })
  breaker.onReset(() => log.info({ outageMs: now() - brokenAt }, 'the provider is available again'))

  return mailbox => ({
    open: (call, knownUntil) => guarded(() => mailbox.open(call, knownUntil)),
    changes: (since, page, call) => guarded(() => mailbox.changes(since, page, call)),
    fetch: (wanted, call) => guarded(() => mailbox.fetch(wanted, call)),
  })

  async function guarded<T>(ask: () => Promise<T>): Promise<T> {
    try {
      return await breaker.execute(ask)
    } catch (error) {
      if (!(error instanceof BrokenCircuitError)) throw error
      const retryAfterMs = Math.max(0, brokenAt + openMs - now())
      throw new MailError('throttled', 'the provider is unavailable and is left alone for a while', { retryAfterMs })
    }
  }
}
