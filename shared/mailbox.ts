import { MailError } from './error.ts'
import type { Message, MessageId, ThreadId } from './message.ts'
import type { Finding } from './provider/filter.ts'
import type { Quota } from './provider/quota.ts'

/** Where mail lives. */
export const PROVIDERS = ['gmail', 'outlook'] as const
export type Provider = (typeof PROVIDERS)[number]

/** One account at one provider, such as `gmail:ana@example.com`; the address is lower case. */
export type MailboxId = `${Provider}:${string}`

/** Where listing continues, as the provider's adapter wrote it; opaque to all others. */
export type Cursor = string

/** The next page of a listing, as the provider's adapter wrote it; opaque to all others. */
export type Page = string

/** A message id and its thread, as a listing names them. */
export interface Listed {
  id: MessageId
  thread: ThreadId
  /** Why it is left out, where the listing tells so much already; it need not be fetched to find out. */
  filtered?: string | undefined
  /** What is held of the message may be out of date: the provider is to be asked. */
  verify?: boolean | undefined
}

/** A message whose content is wanted. */
export interface Wanted extends Listed {
  /** How many messages of its thread were listed with it, and are likely to be wanted in this call and in others about now. */
  ofThread?: number | undefined
  /** It is to be asked for by itself, because asking for its thread failed before. */
  alone?: boolean
}

/** A message that is in the mailbox no more, or is left out from now on; its thread where the provider tells it. */
export interface Gone {
  id: MessageId
  thread?: ThreadId
}

/** Labels that were put on or taken off a message that stays; its thread where the provider tells it. */
export interface LabelChange {
  id: MessageId
  thread?: ThreadId
  added: readonly string[]
  removed: readonly string[]
}

/**
 * One page of what is new in a mailbox, in the provider's order. A message is told of once a page: as new, as gone, as relabelled, or as
 * one that left. A new message that was relabelled since is told of as both. Pages are to be applied in their order.
 */
export interface Changes {
  ids: readonly Listed[]
  gone: readonly Gone[]
  labels: readonly LabelChange[]
  /** The messages of some or all ids, where the listing brings them: they need not be fetched. */
  messages?: readonly Message[]
  /** Mail that left a part of the mailbox: it may be gone, or be elsewhere in it. What of it is known, and on no later page, is to be verified in the end. */
  left?: readonly MessageId[]
  /** What was found out about the filters of the mailbox. */
  filters?: readonly Finding[]
  /** Mail that is known already may be among the ids. */
  overlaps?: boolean
  /** Something has happened to known mail that is not told: all of it may be gone, earlier pages' as well, until later pages tell what is present. */
  mayBeStale?: boolean
  /**
   * What is there, known or not, as far as this page tells. Where a listing's last page has it, its pages tell of all there is: known mail
   * that none of them names may be gone.
   */
  present?: readonly Listed[]
  /** Present while there is more to list. */
  next?: Page
  /** Present on the last page only: where the next listing begins. */
  cursor?: Cursor
  /** A part of the mailbox cannot be listed for now: from this moment on (ms since 1970) the next listing tries it again. */
  lookAt?: number
  /** On the last page of changes, where the provider numbers them: everything up to this number was listed. */
  upTo?: string
  /** The cursor is too old for the provider: nothing was listed, the mailbox must be listed anew from a fresh cursor. */
  reset?: true
}

/** What became of one wanted message. */
export type Fetched =
  | { outcome: 'ok'; message: Message }
  | { outcome: 'gone' }
  | { outcome: 'filtered'; reason: string }
  | { outcome: 'throttled'; retryAfterMs?: number }
  | { outcome: 'failed'; error: MailError }

/** The kinds of provider calls that runs count, each one HTTP request. */
export const CALL_KINDS = ['list', 'batch', 'single', 'thread', 'history', 'delta', 'profile', 'watch'] as const
export type CallKind = (typeof CALL_KINDS)[number]

/**
 * What a provider call is given: when to give up, where to note what it cost (`units` of the provider's quota), and whom to ask for
 * leave before it is sent; without a quota nothing is held back.
 */
export interface Call {
  signal: AbortSignal
  meter: (kind: CallKind, units: number) => void
  /** Where to note how many messages were asked for, and how many of them failed; what the provider was too busy for is neither. */
  parts?: (asked: number, failed: number) => void
  quota?: Quota
}

/** Whose mailbox this is, and a cursor from which everything after this moment will be listed. */
export interface Opened {
  address: string
  /** Other names that its owner signs in with. */
  also?: readonly string[]
  cursor: Cursor
}

/** A provider's promise to notify of changes until `expiresAt` (ms since 1970); it is renewed by asking again. */
export interface Watch {
  expiresAt: number
  /** It does not go on from one before: of what changed until now nobody may have been told. */
  recreated?: true
}

/**
 * One mailbox at its provider: the port every provider adapter fulfils. Each method is one provider call, never retried inside; only
 * what a batch answer leaves in doubt is asked for again, message by message, and a batch that the quota lets through in parts is sent
 * in parts. Every call is metered. All throw MailError and nothing else, but for what the call's quota throws; a call whose turn is
 * not near is `throttled` unsent, and says when to ask again.
 */
export interface Mailbox {
  /**
   * How long the provider sends no other notification after one (ms): changes in this time are never announced. Gmail drops every
   * notification beyond one a second (developers.google.com/gmail/api/guides/push). Absent where the provider announces every change.
   */
  readonly silentAfterPushMs?: number
  /**
   * Asks whose mailbox this is and pins a cursor before anything is listed. With `knownUntil` (ms since 1970) all mail received before
   * is known, and the listing that begins at the cursor may leave it out; it leaves out nothing that came later, and tells what is there.
   */
  open(call: Call, knownUntil?: number): Promise<Opened>
  /** Lists one page of what is new since the cursor; a cursor fresh from `open` starts with the first sync's listing. */
  changes(since: Cursor, page: Page | undefined, call: Call): Promise<Changes>
  /** Fetches messages; the answer holds every wanted id, whatever became of it, and as `ok` also messages that came along unasked. */
  fetch(wanted: readonly Wanted[], call: Call): Promise<ReadonlyMap<MessageId, Fetched>>
  /** Asks one cheap question about the mail itself; throws as any other call would where the provider does not serve this mailbox. */
  probe(call: Call): Promise<void>
  /** Asks to be notified of changes, or for longer; throws `misconfigured` where it is not set whereto. */
  watch(call: Call): Promise<Watch>
  /** Asks to be notified no more; does nothing where nobody is. */
  stop(call: Call): Promise<void>
}

// An address has 254 characters at most (RFC 5321 4.5.3.1.3), a user principal name fewer.
const LONGEST_MAILBOX = 300
const SHOWN = 100

/** Reads `gmail:ana@example.com`, of 300 characters at most; throws `misconfigured` with an example when it is none. */
export function parseMailboxId(text: string): MailboxId {
  const trimmed = text.trim()
  const match =
    trimmed.length > LONGEST_MAILBOX ? null : /^(gmail|outlook):([^\s\p{Cc}:{}@]+@[^\s\p{Cc}:{}@]+)$/iu.exec(trimmed)
  // Between addresses they separate, around one they quote.
  if (!match || /[,;"<>]/.test(trimmed)) {
    const shown = text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text
    throw new MailError(
      'misconfigured',
      `"${shown}" is not a mailbox: write provider:address, such as gmail:ana@example.com`,
    )
  }
  return `${match[1]?.toLowerCase()}:${match[2]?.toLowerCase()}` as MailboxId
}

/** The provider of a mailbox. */
export function providerOf(mailbox: MailboxId): Provider {
  return mailbox.startsWith('gmail:') ? 'gmail' : 'outlook'
}

/** The address of a mailbox, without its provider. */
export function addressOf(mailbox: MailboxId): string {
  return mailbox.slice(mailbox.indexOf(':') + 1)
}
