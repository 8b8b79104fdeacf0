import { BrokenCircuitError, CircuitState, ConsecutiveBreaker, circuitBreaker, handleWhen } from 'cockatiel'
import { MailError } from '../shared/error.ts'
import type { Fetched, Mailbox } from '../shared/mailbox.ts'
import type { MessageId } from '../shared/message.ts'
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
 * one that is let through succeeds. An open breaker delays work; it never fails it and uses up no attempt, nor do the calls that open it
 * and keep it open: however long a provider is away, its work keeps. A fetch of which every part is unavailable counts as such a call.
 */
export function createGuard({ threshold, openMs, now, log }: BreakerOptions): Guard {
  const breaker = circuitBreaker(handleWhen(isUnavailable), {
    halfOpenAfter: openMs,
    breaker: new ConsecutiveBreaker(threshold),
  })
  let openedAt: number | undefined
  let triedAt = 0
  breaker.onBreak(() => {
    triedAt = now()
    if (openedAt !== undefined) return
    openedAt = triedAt
    log.warn({ failures: threshold, openMs }, 'the provider is unavailable: it is left alone for a while')
  })
  breaker.onReset(() => {
    log.info({ outageMs: now() - (openedAt ?? now()) }, 'the provider is available again')
    openedAt = undefined
  })

  return mailbox => ({
    ...mailbox,
    open: (call, knownUntil) => guarded(() => mailbox.open(call, knownUntil)),
    changes: (since, page, call) => guarded(() => mailbox.changes(since, page, call)),
    fetch: (wanted, call) => guarded(() => mailbox.fetch(wanted, call).then(notAllUnavailable)),
    watch: call => guarded(() => mailbox.watch(call)),
    stop: call => guarded(() => mailbox.stop(call)),
  })

  async function guarded<T>(ask: () => Promise<T>): Promise<T> {
    try {
      return await breaker.execute(ask)
    } catch (error) {
      const refused = error instanceof BrokenCircuitError
      if (!refused && !(isUnavailable(error) && breaker.state !== CircuitState.Closed)) throw error
      const retryAfterMs = Math.max(0, triedAt + openMs - now())
      const reason = refused ? '' : ` (${(error as MailError).message})`
      throw new MailError('throttled', `the provider is unavailable and is left alone for a while${reason}`, {
        retryAfterMs,
        isOurs: true,
        cause: error,
      })
    }
  }
}

function isUnavailable(error: unknown): boolean {
  return error instanceof MailError && error.kind === 'unavailable'
}

function notAllUnavailable(answers: ReadonlyMap<MessageId, Fetched>): ReadonlyMap<MessageId, Fetched> {
  const errors = [...answers.values()].flatMap(answer => (answer.outcome === 'failed' ? [answer.error] : []))
  if (errors[0] && errors.length === answers.size && errors.every(isUnavailable)) throw errors[0]
  return answers
}
