import { cleanText, cutText } from './text.ts'

/**
 * What can go wrong, as a closed set. The kind alone decides what happens next (`pipeline/recover.ts`):
 *
 * - `throttled`: the provider asks us to slow down. Waits; uses up no attempt.
 * - `unavailable`: the provider or the network failed and may work again. Retried with backoff.
 * - `unauthorized`: the mailbox must be connected again by its owner. Its work waits.
 * - `expired`: the cursor is too old for the provider. The mailbox is listed again.
 * - `rejected`: the provider refuses this very request, and will again.
 * - `unparsable`: an answer or an entry that cannot be understood.
 * - `crashed`: processes died over it, again and again. Given up.
 * - `misconfigured`: the person running mailsluice has to change something; the message says what.
 * - `unsupported`: what was asked for does not exist here.
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
 * What a refusal is about, where it need not be the account: `token`, an access token was refused, which says nothing of the grant;
 * `access`, this very request was refused, and only other requests can tell whether all are.
 */
export type Blame = 'token' | 'access'

interface MailErrorOptions {
  cause?: unknown
  blames?: Blame | undefined
  /** How long the provider asked us to wait, in milliseconds. */
  retryAfterMs?: number
  /** The wait is our own, and no limit of the provider's: an open breaker, or later stages that are behind. */
  isOurs?: boolean
}

// Messages travel in entries and go to people; of a provider's own words a page is enough.
const LONGEST_MESSAGE = 4000

/**
 * The one error of mailsluice: its message says what happened, to what, and what to do; it never holds mail or secrets, nor control
 * characters, whoever's words are quoted in it.
 */
export class MailError extends Error {
  readonly kind: ErrorKind
  readonly retryAfterMs: number | undefined
  /** It waits because of a limit of the provider's. */
  readonly isRateLimit: boolean
  readonly blames: Blame | undefined

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
  }
}

/** Any thrown value as a MailError: one that is already stays as it is, all else is `unavailable`, so that it is tried again. */
export function asMailError(thrown: unknown): MailError {
  if (thrown instanceof MailError) return thrown
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  return new MailError('unavailable', message, { cause: thrown })
}
