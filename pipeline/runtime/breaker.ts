import { BrokenCircuitError, CircuitState, circuitBreaker, handleWhen } from 'cockatiel'
import { type ErrorKind, MailError } from '../../shared/error.ts'
import type { Call, Fetched, Mailbox } from '../../shared/mailbox.ts'
import type { MessageId } from '../../shared/message.ts'
import { createStreak } from './streak.ts'

interface BreakerOptions {
  /** Failures in a row, for different items, that open the breaker. */
  threshold: number
  /** How long the breaker stays open before it permits one trial call, in ms. */
  openMs: number
  now: () => number
  /** Called when the breaker opens, and when it closes with the length of the outage in ms. */
  onOpen?: () => void
  onClose?: (outageMs: number) => void
}

/** Wraps a mailbox with its breaker. */
export type Guard = (mailbox: Mailbox) => Mailbox

const ANSWERS: ReadonlySet<ErrorKind> = new Set<ErrorKind>(['rejected', 'expired'])

/**
 * Creates the circuit breaker of one mailbox. The breaker opens after `threshold` calls in a row, for different items, found the provider
 * unavailable. Where fewer items keep failing, one cheap probe decides whether the provider is down or the items are at fault. An open
 * breaker refuses calls as throttled until one call succeeds. Neither refused calls nor those that open it use up an attempt.
 */
export function createGuard({ threshold, openMs, now, onOpen, onClose }: BreakerOptions): Guard {
  const streak = createStreak(threshold)
  let isOut = false
  const breaker = circuitBreaker(handleWhen(isUnavailable), {
    halfOpenAfter: openMs,
    breaker: {
      state: undefined,
      success: () => undefined,
      failure: () => isOut,
    },
  })
  let openedAt: number | undefined
  let triedAt = 0
  breaker.onBreak(() => {
    triedAt = now()
    if (openedAt !== undefined) return
    openedAt = triedAt
    onOpen?.()
  })
  breaker.onReset(() => {
    isOut = false
    streak.clear()
    onClose?.(now() - (openedAt ?? now()))
    openedAt = undefined
  })

  return mailbox => ({
    ...mailbox,
    open: (call, knownUntil) => guarded([], () => mailbox.open(call, knownUntil)),
    probe: call => guarded([], () => mailbox.probe(call)),
    changes: (since, page, call) =>
      guarded([`page ${page ?? ''} since ${since}`], () => mailbox.changes(since, page, call), prober(mailbox, call)),
    fetch: (wanted, call) =>
      guarded(
        wanted.map(({ id }) => id),
        () => mailbox.fetch(wanted, call).then(notAllUnavailable),
        prober(mailbox, call),
      ),
    watch: call => guarded([], () => mailbox.watch(call)),
    stop: call => guarded([], () => mailbox.stop(call)),
  })

  async function guarded<T>(items: readonly string[], ask: () => Promise<T>, probe?: () => Promise<void>): Promise<T> {
    // A call for items that failed before says little about the provider.
    const isDue = breaker.state === CircuitState.Open && now() - triedAt >= openMs
    if (isDue && probe && streak.hasFailed(items)) await through(probe)
    return through(() => judged(items, ask, probe))
  }

  async function judged<T>(
    items: readonly string[],
    ask: () => Promise<T>,
    probe: (() => Promise<void>) | undefined,
  ): Promise<T> {
    try {
      const answer = await ask()
      streak.succeeded(answer instanceof Map ? servedIn(answer) : items)
      return answer
    } catch (error) {
      if (isUnavailable(error)) isOut = isOut || (await isOutage(streak.failed(items), probe))
      // A refusal is an answer too.
      else if (error instanceof MailError && ANSWERS.has(error.kind)) streak.succeeded([])
      throw error
    }
  }

  async function isOutage(verdict: 'open' | 'ask' | 'wait', probe: (() => Promise<void>) | undefined) {
    if (verdict !== 'ask' || !probe) return verdict === 'open'
    return probe().then(
      () => false,
      error => isUnavailable(error),
    )
  }

  async function through<T>(ask: () => Promise<T>): Promise<T> {
    try {
      return await breaker.execute(ask)
    } catch (error) {
      const refused = error instanceof BrokenCircuitError
      if (!refused && !(isUnavailable(error) && breaker.state !== CircuitState.Closed)) throw error
      const retryAfterMs = Math.max(0, triedAt + openMs - now())
      const reason = refused ? '' : ` (${(error as MailError).message})`
      throw new MailError('throttled', `the provider is unavailable; calls are paused${reason}`, {
        retryAfterMs,
        isOurs: true,
        cause: error,
      })
    }
  }
}

function prober(mailbox: Mailbox, call: Call): () => Promise<void> {
  return () => mailbox.probe(call)
}

function isUnavailable(error: unknown): error is MailError {
  return error instanceof MailError && error.kind === 'unavailable' && error.blames !== 'token'
}

function servedIn(answers: ReadonlyMap<MessageId, Fetched>): MessageId[] {
  return [...answers].flatMap(([id, { outcome }]) => (outcome === 'failed' || outcome === 'throttled' ? [] : [id]))
}

function notAllUnavailable(answers: ReadonlyMap<MessageId, Fetched>): ReadonlyMap<MessageId, Fetched> {
  const errors = [...answers.values()].flatMap(answer => (answer.outcome === 'failed' ? [answer.error] : []))
  if (errors[0] && errors.length === answers.size && errors.every(isUnavailable)) throw errors[0]
  return answers
}
