import { MailError } from '../../shared/error.ts'
import type { Call, Fetched, Mailbox, Wanted } from '../../shared/mailbox.ts'
import type { MessageId } from '../../shared/message.ts'

/** For how long the access tokens of a mailbox are refused; known to all processes. */
export interface TokenRefusals {
  /** Notes a refusal; for how long they come without a break, in ms. */
  note(): Promise<number>
  /** A token was accepted. */
  end(): Promise<void>
}

interface RefusalOptions {
  /** So many different messages, refused in a row while none is served, mean that all are. */
  threshold: number
  /** How long refused tokens are replaced before the mailbox is parked. */
  patienceMs: number
  tokens: TokenRefusals
}

const FIRST_PAUSE_MS = 1000
const LONGEST_PAUSE_MS = 60_000

/**
 * Tells whether a refusal is about the account, an access token, or one message. A refused token is retried as throttled, with pauses that
 * grow to a minute; after `patienceMs` it is the account's refusal. A refused message is its own fault where another is served beside it,
 * and the account's where one cheap call or enough other messages are refused as well.
 */
export function createRefusals({ threshold, patienceMs, tokens }: RefusalOptions): (mailbox: Mailbox) => Mailbox {
  const refused = new Set<MessageId>()
  let isDoubted = false

  return mailbox => ({
    ...mailbox,
    open: (call, knownUntil) => patiently(() => mailbox.open(call, knownUntil)),
    changes: (since, page, call) => patiently(() => mailbox.changes(since, page, call)),
    probe: call => patiently(() => mailbox.probe(call)),
    watch: call => patiently(() => mailbox.watch(call)),
    stop: call => patiently(() => mailbox.stop(call)),
    fetch: (wanted, call) => patiently(() => fetched(mailbox, wanted, call)),
  })

  async function patiently<T>(ask: () => Promise<T>): Promise<T> {
    try {
      const answer = await ask()
      if (isDoubted) await tokens.end()
      isDoubted = false
      return answer
    } catch (thrown) {
      throw isOfToken(thrown) ? await patience(thrown) : thrown
    }
  }

  async function patience({ message }: MailError): Promise<MailError> {
    isDoubted = true
    const lastedMs = await tokens.note()
    if (lastedMs >= patienceMs) {
      const minutes = Math.round(lastedMs / 60_000)
      return new MailError('unauthorized', `${message}; every new access token has been refused for ${minutes} minutes`)
    }
    const retryAfterMs = Math.min(LONGEST_PAUSE_MS, Math.max(FIRST_PAUSE_MS, Math.ceil(lastedMs / 2)))
    return new MailError('throttled', `${message}; another access token is tried`, { retryAfterMs })
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
  return new MailError(kind, `every message is refused: ${message}`)
}

// Where no other message was served, more refusals may yet show that it is the account: the message is not given up at once.
function ownOutcome(one: Fetched, isServed: boolean): Fetched {
  if (one.outcome !== 'failed' || !one.error.blames) return one
  if (one.error.blames === 'token') return { outcome: 'throttled', retryAfterMs: FIRST_PAUSE_MS }
  return { outcome: 'failed', error: new MailError(isServed ? 'rejected' : 'unavailable', one.error.message) }
}

function isOfToken(thrown: unknown): thrown is MailError {
  return thrown instanceof MailError && thrown.blames === 'token'
}
