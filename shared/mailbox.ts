import { MailError } from './error.ts'
import type { Message, MessageId, ThreadId } from './message.ts'
import type { Finding } from './provider/filter.ts'
import type { Quota } from './provider/quota.ts'
import { PROVIDERS } from './provider/traits.ts'

/** The name of a provider, with which its mailbox ids begin. */
export type Provider = string

/** One account at one provider, such as `gmail:ana@example.com`; the address is lower case. */
export type MailboxId = `${Provider}:${string}`

/** The position where listing continues, as the provider's adapter wrote it; opaque elsewhere. */
export type Cursor = string

/** The next page of a listing, as the provider's adapter wrote it; opaque elsewhere. */
export type Page = string

/** A message id and its thread, as a listing names them. */
export interface Listed {
  id: MessageId
  thread: ThreadId
  /** Why the message is filtered out, where the listing already shows it; no fetch is needed. */
  filtered?: string | undefined
  /** The cached message may be stale; the provider is asked. */
  verify?: boolean | undefined
}

/** A message whose content is wanted. */
export interface Wanted extends Listed {
  /** How many messages of its thread were listed with it and will probably be fetched soon. */
  ofThread?: number | undefined
  /** The message is fetched alone, because fetching its thread failed before. */
  alone?: boolean
}

/** A message that was deleted from the mailbox or is filtered out from now on; with its thread where the provider names it. */
export interface Gone {
  id: MessageId
  thread?: ThreadId
}

/** Labels added to or removed from a message that stays; with its thread where the provider names it. */
export interface LabelChange {
  id: MessageId
  thread?: ThreadId
  added: readonly string[]
  removed: readonly string[]
}

/**
 * One page of changes in a mailbox, in the provider's order. A page reports each message once: as new, gone, relabelled or left. A new
 * message that was relabelled since is reported as both. Pages are applied in order.
 */
export interface Changes {
  ids: readonly Listed[]
  gone: readonly Gone[]
  labels: readonly LabelChange[]
  /** Messages that the listing already includes; they need no fetch. */
  messages?: readonly Message[]
  /**
   * Mail that left a part of the mailbox and may be gone or elsewhere in it. Known messages that no later page reports are verified in the
   * end.
   */
  left?: readonly MessageId[]
  /** Findings about the mailbox's filters. */
  filters?: readonly Finding[]
  /** The ids may include mail that is already known. */
  overlaps?: boolean
  /**
   * Known mail changed in ways the provider does not report. All of it may be gone, earlier pages included, until later pages list it as
   * present.
   */
  mayBeStale?: boolean
  /**
   * Messages that are present, known or not, as far as this page reports. If the last page has this field, its pages list everything
   * present; known mail that none of them names may be gone.
   */
  present?: readonly Listed[]
  /** Present while there is more to list. */
  next?: Page
  /** Present on the last page only: the start of the next listing. */
  cursor?: Cursor
  /** A part of the mailbox cannot be listed now; from this time on (ms since 1970) the next listing retries it. */
  lookAt?: number
  /** On the last page of changes, where the provider numbers them: everything up to this number is listed. */
  upTo?: string
  /** The provider no longer accepts the cursor: nothing was listed, and the mailbox must be listed again from a new cursor. */
  reset?: true
}

/** The result for one wanted message. */
export type Fetched =
  | { outcome: 'ok'; message: Message }
  | { outcome: 'gone' }
  | { outcome: 'filtered'; reason: string }
  | { outcome: 'throttled'; retryAfterMs?: number }
  | { outcome: 'failed'; error: MailError }

/** The kinds of provider calls that runs count, each one HTTP request. */
export const CALL_KINDS = [
  'list',
  'batch',
  'single',
  'thread',
  'attachment',
  'history',
  'delta',
  'profile',
  'watch',
] as const
export type CallKind = (typeof CALL_KINDS)[number]

/**
 * The context of a provider call: when to abort, where to record its cost (`units` of the provider's quota), and the quota to reserve from
 * before sending; without a quota nothing is limited.
 */
export interface Call {
  signal: AbortSignal
  meter: (kind: CallKind, units: number) => void
  /** Records how many messages were requested and how many failed; messages that were rate-limited count as neither. */
  parts?: (asked: number, failed: number) => void
  quota?: Quota
}

/** The mailbox's address, and a cursor from which everything after this moment will be listed. */
export interface Opened {
  address: string
  /** Other names that the owner signs in with. */
  also?: readonly string[]
  cursor: Cursor
}

/** A provider's promise to notify of changes until `expiresAt` (ms since 1970); watching again renews it. */
export interface Watch {
  expiresAt: number
  /** Set where the watch does not continue an earlier one: changes before it may not have been announced. */
  recreated?: true
}

/**
 * One mailbox at its provider: the port that every provider adapter implements. Each method is one provider call and is never retried
 * inside. Three exceptions: messages whose result a batch answer leaves open are requested again one by one, a batch that the quota
 * admits in parts, or whose answer is too large, is sent in parts, and text parts that came without their content are requested. Every call is metered. All methods throw only MailError, except for errors of the call's quota. A call
 * whose turn is not near is `throttled` unsent and says when to retry.
 */
export interface Mailbox {
  /**
   * How long the provider sends no further notification after one (ms); changes in that time are never announced. Gmail drops every
   * notification beyond one a second (developers.google.com/gmail/api/guides/push). Absent where the provider announces every change.
   */
  readonly silentAfterPushMs?: number
  /**
   * Returns the mailbox's owner and pins a cursor before anything is listed. With `knownUntil` (ms since 1970) all mail received before
   * that is known, and the listing from the cursor may omit it. The listing omits no later mail and reports what is present.
   */
  open(call: Call, knownUntil?: number): Promise<Opened>
  /** Lists one page of changes since the cursor; a new cursor from `open` starts the first sync's listing. */
  changes(since: Cursor, page: Page | undefined, call: Call): Promise<Changes>
  /** Fetches messages. The answer has a result for every wanted id, and as `ok` also messages that arrived unrequested. */
  fetch(wanted: readonly Wanted[], call: Call): Promise<ReadonlyMap<MessageId, Fetched>>
  /** Makes one cheap call for the mail itself; throws as any other call would where the provider does not serve this mailbox. */
  probe(call: Call): Promise<void>
  /** Starts or renews notifications of changes; throws `misconfigured` where their target is not set. */
  watch(call: Call): Promise<Watch>
  /** Stops notifications; does nothing where there are none. */
  stop(call: Call): Promise<void>
}

// An address has at most 254 characters (RFC 5321 4.5.3.1.3), a user principal name fewer.
const LONGEST_MAILBOX = 300
const SHOWN = 100

/** Parses a mailbox id such as `gmail:ana@example.com`, at most 300 characters; throws `misconfigured` with an example otherwise. */
export function parseMailboxId(text: string): MailboxId {
  const trimmed = text.trim()
  const match =
    trimmed.length > LONGEST_MAILBOX ? null : /^([a-z]+):([^\s\p{Cc}:{}@]+@[^\s\p{Cc}:{}@]+)$/iu.exec(trimmed)
  // These characters separate or quote addresses.
  if (!match || !PROVIDERS.includes(match[1]?.toLowerCase() ?? '') || /[,;"<>]/.test(trimmed)) {
    const shown = text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text
    throw new MailError(
      'misconfigured',
      `"${shown}" is not a mailbox: write provider:address, such as gmail:ana@example.com`,
    )
  }
  return `${match[1]?.toLowerCase()}:${match[2]?.toLowerCase()}` as MailboxId
}

/** Returns the provider of a mailbox. */
export function providerOf(mailbox: MailboxId): Provider {
  return mailbox.slice(0, mailbox.indexOf(':'))
}

/** Returns the address of a mailbox, without its provider. */
export function addressOf(mailbox: MailboxId): string {
  return mailbox.slice(mailbox.indexOf(':') + 1)
}
