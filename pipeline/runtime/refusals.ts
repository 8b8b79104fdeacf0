import { MailError } from '../../shared/error.ts'
import type { Call, Fetched, Mailbox, Wanted } from '../../shared/mailbox.ts'
import type { MessageId } from '../../shared/message.ts'
import { MINUTE_MS } from '../base/times.ts'

/** Refusals of a mailbox's access tokens, shared by all processes. */
export interface TokenRefusals {
  /** Notes a refusal; returns how long the refusals have lasted without a break, in ms. */
  note(): Promise<number>
  /** Ends the refusals, because a token was accepted. */
  end(): Promise<void>
}

interface RefusalOptions {
  /** Different messages, refused in a row while none is served, that count as a refusal of the account. */
  threshold: number
  /** How long refused tokens are replaced before the mailbox is parked, in ms. */
  patienceMs: number
  tokens: TokenRefusals
}

const FIRST_PAUSE_MS = 1000
const LONGEST_PAUSE_MS = MINUTE_MS

/**
 * Attributes each refusal to the account, an access token, or one message. Retries a refused token as throttled, with pauses that grow to a
 * minute; after `patienceMs` the refusal counts for the account. Attributes a refused message to itself where another message is served
 * beside it, and to the account where a cheap probe or enough other messages are refused too.
 */
export function createRefusals({ threshold, patienceMs, tokens }: RefusalOptions): (mailbox: Mailbox) => Mailbox {
  const refused = new Set<MessageId>()
  let hasRefusals = false

  return mailbox => ({
    ...mailbox,
    open: (call, knownUntil) => withTokenRetry(() => mailbox.open(call, knownUntil)),
    changes: (since, page, call) => withTokenRetry(() => mailbox.changes(since, page, call)),
    probe: call => withTokenRetry(() => mailbox.probe(call)),
    watch: call => withTokenRetry(() => mailbox.watch(call)),
    stop: call => withTokenRetry(() => mailbox.stop(call)),
    fetch: (wanted, call) => withTokenRetry(() => fetched(mailbox, wanted, call)),
  })

  async function withTokenRetry<T>(ask: () => Promise<T>): Promise<T> {
    try {
      const answer = await ask()
      if (hasRefusals) await tokens.end()
      hasRefusals = false
      return answer
    } catch (thrown) {
      throw isOfToken(thrown) ? await tokenError(thrown) : thrown
    }
  }

  async function tokenError({ message }: MailError): Promise<MailError> {
    hasRefusals = true
    const lastedMs = await tokens.note()
    if (lastedMs >= patienceMs) {
      const minutes = Math.round(lastedMs / MINUTE_MS)
      return new MailError('unauthorized', `${message}; every new access token has been refused for ${minutes} minutes`)
    }
    const retryAfterMs = Math.min(LONGEST_PAUSE_MS, Math.max(FIRST_PAUSE_MS, Math.ceil(lastedMs / 2)))
    return new MailError('throttled', `${message}; trying another access token`, { retryAfterMs })
  }

  async function fetched(mailbox: Mailbox, wanted: readonly Wanted[], call: Call) {
    const answers = await mailbox.fetch(wanted, call).catch(thrown => {
      if (!(thrown instanceof MailError) || thrown.blames !== 'access') throw thrown
      return failedFor(wanted, thrown)
    })
    const outcomes = [...answers]
    const [error] = outcomes.flatMap(([, one]) => (one.outcome === 'failed' && one.error.blames ? [one.error] : []))
    const isServed = outcomes.some(([, { outcome }]) => outcome !== 'failed' && outcome !== 'throttled')
    if (isServed) refused.clear()
    if (!error) return answers
    if (!isServed && isOfToken(error)) throw error
    const refusals = outcomes.filter(([, one]) => one.outcome === 'failed' && one.error.blames === 'access')
    if (!isServed && refusals.length > 0) {
      for (const [id] of refusals) refused.add(id)
      if (refused.size >= threshold) throw accountRefuses(error)
      await throwIfAccount(mailbox, call)
    }
    return new Map(outcomes.map(([id, one]) => [id, ownOutcome(one, isServed)]))
  }

  async function throwIfAccount(mailbox: Mailbox, call: Call): Promise<void> {
    await mailbox.probe(call).catch((thrown: unknown) => {
      if (!(thrown instanceof MailError)) throw thrown
      if (thrown.kind === 'unauthorized' || thrown.kind === 'misconfigured') throw thrown
    })
  }
}

function failedFor(wanted: readonly Wanted[], error: MailError): ReadonlyMap<MessageId, Fetched> {
  return new Map(wanted.map(({ id }): [MessageId, Fetched] => [id, { outcome: 'failed', error }]))
}

function accountRefuses({ kind, message }: MailError): MailError {
  return new MailError(kind, `the provider refuses every message: ${message}`)
}

// Without a served message, later refusals may prove an account problem, so the message is retried first.
function ownOutcome(one: Fetched, isServed: boolean): Fetched {
  if (one.outcome !== 'failed' || !one.error.blames) return one
  if (one.error.blames === 'token') return { outcome: 'throttled', retryAfterMs: FIRST_PAUSE_MS }
  return { outcome: 'failed', error: new MailError(isServed ? 'rejected' : 'unavailable', one.error.message) }
}

function isOfToken(thrown: unknown): thrown is MailError {
  return thrown instanceof MailError && thrown.blames === 'token'
}
