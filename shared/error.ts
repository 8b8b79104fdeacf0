import { cleanText, cutText } from './text.ts'

/**
 * The closed set of failures. The kind alone decides what happens next (`pipeline/runtime/recover.ts`):
 *
 * - `throttled`: the provider asks us to slow down. Waits; uses up no attempt.
 * - `unavailable`: the provider or the network failed and may recover. Retried with backoff.
 * - `unauthorized`: the owner must connect the mailbox again. Its work is parked.
 * - `expired`: the provider no longer accepts the cursor. The mailbox is listed again.
 * - `rejected`: the provider refuses this request and will refuse it again.
 * - `unparsable`: an answer or an entry cannot be understood.
 * - `crashed`: processes died over it repeatedly. Dead-lettered.
 * - `misconfigured`: the person who runs mailsluice has to change something; the message says what.
 * - `unsupported`: the requested thing does not exist here.
 */
export type ErrorKind =
  | 'throttled'
  | 'unavailable'
  | 'unauthorized'
  | 'expired'
  | 'rejected'
  | 'unparsable'
  | 'crashed'
  | 'misconfigured'
  | 'unsupported'

/**
 * The subject of a refusal where it may not be the account. `token`: an access token was refused, which says nothing about the grant.
 * `access`: this request was refused, and only other requests can show whether all are.
 */
export type Blame = 'token' | 'access'

interface MailErrorOptions {
  cause?: unknown
  blames?: Blame | undefined
  /** How long the provider asked us to wait, in ms. */
  retryAfterMs?: number
  /** The wait is ours and not a limit of the provider: an open circuit breaker, or backpressure from later stages. */
  isOurs?: boolean
  /** The answer exceeded its size limit, so that a smaller request may be answered. */
  isTooLarge?: boolean
  /** The error is one of Redis that may end without a change here, or after a fix on the server. */
  passes?: boolean
}

// Messages travel in entries and are shown to people; one page of a provider's text is enough.
const LONGEST_MESSAGE = 4000

/**
 * The only error class of mailsluice. Its message says what happened, where, and how to fix it. Messages never hold mail, secrets or
 * control characters, whatever text they quote.
 */
export class MailError extends Error {
  readonly kind: ErrorKind
  readonly retryAfterMs: number | undefined
  /** A limit of the provider causes the wait. */
  readonly isRateLimit: boolean
  readonly blames: Blame | undefined
  /** Asking for less may help. */
  readonly isTooLarge: boolean
  /** Redis has the problem, and may serve later. */
  readonly passes: boolean

  constructor(kind: ErrorKind, message: string, options: MailErrorOptions = {}) {
    super(
      cutText(cleanText(message), LONGEST_MESSAGE),
      options.cause === undefined ? undefined : { cause: options.cause },
    )
    this.name = 'MailError'
    this.kind = kind
    this.retryAfterMs = options.retryAfterMs
    this.isRateLimit = kind === 'throttled' && options.isOurs !== true
    this.blames = options.blames
    this.isTooLarge = options.isTooLarge === true
    this.passes = options.passes === true
  }
}

/** Converts any thrown value to a MailError: a MailError stays as it is, anything else becomes `unavailable` and is retried. */
export function asMailError(thrown: unknown): MailError {
  if (thrown instanceof MailError) return thrown
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  return new MailError('unavailable', message, { cause: thrown })
}
