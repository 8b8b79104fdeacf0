import type { Envelope } from './envelope.ts'
import type { ErrorKind } from './error.ts'
import type { CallKind, Cursor, Listed } from './mailbox.ts'
import type { Message, MessageId, ThreadId } from './message.ts'
import type { Fate, MergedWindow, Stream } from './streams.ts'

/** An envelope and the stream it is to be written to; `from` is the input it follows from. */
export interface Delivery {
  from: Envelope
  to: Stream
  envelope: Envelope
}

/**
 * The state changes a stage may ask for: a small closed set, each applied by the commit script together with the acknowledgement
 * of the input it follows from (`from`), or not at all.
 */
export type Fact = { from: Envelope } & (
  | { fact: 'window-opened'; window: string; context: boolean; items: readonly Listed[] }
  | { fact: 'page-listed'; next?: Delivery }
  | { fact: 'message-gone'; thread: ThreadId; id: MessageId; page: number }
  | { fact: 'suspected'; items: readonly Listed[] }
  | { fact: 'suspects-cleared'; ids: readonly MessageId[] }
  | { fact: 'message-relabelled'; thread: ThreadId; id: MessageId; message?: Message }
  | { fact: 'cursor-moved'; was: Cursor; to: Cursor }
  | { fact: 'run-failed'; reason: string }
  | { fact: 'run-stalled' }
  | { fact: 'fate-known'; window: string; index: number; fate: Fate; inThread?: ThreadId | undefined }
  | WindowGroupedFact
  | { fact: 'context-asked'; threads: readonly ThreadId[] }
  | { fact: 'thread-released'; thread: ThreadId; seen: string; version: string; empty?: boolean; delivery?: Delivery }
  | { fact: 'known-read'; messages: number; lost: number }
  | { fact: 'release-handled' }
  | { fact: 'thread-settled'; thread: ThreadId; version: string; givenUp?: true; delivery?: Delivery }
  | SetAsideFact
  | { fact: 'still-deferred'; window: string; note: DeferredNote }
  | { fact: 'deferral-ended'; thread: ThreadId; id: MessageId }
  | { fact: 'look-taken' }
  | LookLaterFact
  | HeldFact
)

/**
 * The ids of a merged window are known, and belong to their threads. `items` is what the entry says of the whole window; where the window
 * says something else, or is not complete, nothing follows from the fact.
 */
export interface WindowGroupedFact {
  fact: 'window-grouped'
  window: string
  context: boolean
  items: MergedWindow['items']
  /** With when each was received (ms since 1970), where that is known: the newest of a thread go out. */
  fresh: readonly (Listed & { date?: number | undefined })[]
  gone: readonly Listed[]
}

/**
 * The mailbox is to be looked at once at `dueAt` (ms since 1970), with `left` looks in a row at most. It replaces a look that is
 * pending. With `afterRun` the look waits for the end of the active run instead, and a pending look is enough.
 */
export interface LookLaterFact {
  fact: 'look-later'
  dueAt: number
  left: number
  afterRun?: boolean
}

/**
 * An item leaves its window, which goes on without it, and waits in a window of its own until `dueAt` (ms since 1970), when `again` goes to
 * its stream. Of an item that has its fate already nothing is set aside.
 */
export interface SetAsideFact {
  fact: 'set-aside'
  window: string
  index: number
  own: string
  thread: ThreadId
  again: Delivery
  dueAt: number
  note: DeferredNote
}

/** What is told of an item that was set aside: where it fails, with what, and since when (ms since 1970). */
export interface DeferredNote {
  id: MessageId
  thread: ThreadId
  stage: string
  kind: ErrorKind
  reason: string
  since: number
  attempts: number
}

/** The input was not looked at: it waits, as it is, until its mailbox is resumed. Of those of which one is enough, only one waits. */
interface HeldFact {
  fact: 'held'
  oneIsEnough: boolean
}

/** Everything a run counts about its provider calls. */
export type CallCounts = Record<CallKind, number>

/** A thread that waits in its run to go out: all message ids known of it, newest first, those new in this run, and what is known of it. */
export interface PendingThread {
  thread: ThreadId
  ids: readonly MessageId[]
  fresh: readonly MessageId[]
  /** How many more messages it has than `ids` names, where records name only those that went out. */
  older?: number
  /** Stands for what has happened to it; when the thread is let go, it goes only if nothing came meanwhile. */
  seen: string
  /** Its lost messages were asked for as often as makes sense. */
  contextAsked: boolean
  /** It waited before, for lost messages that were asked for. */
  cameBack: boolean
  /** It was dispatched before, in some version. */
  known: boolean
  /** Messages of it that were set aside. */
  omitted: readonly MessageId[]
}
