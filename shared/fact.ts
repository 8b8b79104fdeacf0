import type { Envelope } from './envelope.ts'
import type { ErrorKind } from './error.ts'
import type { CallKind, Cursor, Listed } from './mailbox.ts'
import type { Message, MessageId, ThreadId } from './message.ts'
import type { Fate, MergedWindow, Stream } from './streams.ts'
import type { Withheld } from './task/worth.ts'

/** An envelope and its target stream; `from` is the input it follows from. */
export interface Delivery {
  from: Envelope
  to: Stream
  envelope: Envelope
}

/**
 * A state change that a stage may ask for: a small closed set. The commit script applies each one together with the acknowledgement of its
 * input (`from`), or not at all.
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
  | ThreadReleasedFact
  | { fact: 'known-read'; messages: number; lost: number }
  | { fact: 'release-handled' }
  | ThreadSettledFact
  | TaskSentFact
  | SetAsideFact
  | { fact: 'still-deferred'; window: string; note: DeferredNote }
  | { fact: 'deferral-ended'; thread: ThreadId; id: MessageId }
  | { fact: 'look-begun' }
  | LookScheduledFact
  | ParkedInputFact
)

/**
 * Adds the ids of a merged window to their threads. `items` is the whole window as the entry states it. The fact has no effect where the
 * stored window differs or is incomplete.
 */
export interface WindowGroupedFact {
  fact: 'window-grouped'
  window: string
  context: boolean
  items: MergedWindow['items']
  /** New ids, with the time each was received (ms since 1970) where it is known, and whether the owner wrote it; a thread is emitted with its newest messages. */
  fresh: readonly (Listed & { date?: number | undefined; isOwn?: boolean })[]
  gone: readonly Listed[]
}

/** Takes a thread out of its run's queue, and emits it where there is a delivery. */
export interface ThreadReleasedFact {
  fact: 'thread-released'
  thread: ThreadId
  seen: string
  version: string
  empty?: boolean
  /** The ids that no task knew of so far, of a thread that was dispatched before. */
  unsent?: readonly MessageId[]
  /** The same as they were when the thread was read; it takes effect only if they have not changed meanwhile. */
  unsentBefore?: readonly MessageId[]
  /** It may wait for more mail, so it is noted since when. */
  waits?: boolean
  delivery?: Delivery
}

/**
 * Records what became of an emitted version of a thread: its task (the delivery), nothing because it was dispatched before, or no task for
 * a reason. Without room in `AI_MAX_PER_RUN` the task is not written and the reason is `overLimit`.
 */
export interface ThreadSettledFact {
  fact: 'thread-settled'
  thread: ThreadId
  version: string
  givenUp?: true
  withheld?: Withheld
  delivery?: Delivery
  /** The messages that no task named yet, where the task is only built later. */
  unsent?: readonly MessageId[]
}

/** Records that a sink got the task of a version, once, with the answer where it gave one: for `analysis-results`, and as the thread's latest. */
export interface TaskSentFact {
  fact: 'task-sent'
  thread: ThreadId
  version: string
  answer?: Delivery
}

/**
 * Schedules one look at the mailbox at `dueAt` (ms since 1970), followed by at most `left` looks in a row. Replaces a pending look. With
 * `afterRun` the look waits for the end of the active run, and a pending look suffices.
 */
export interface LookScheduledFact {
  fact: 'look-scheduled'
  dueAt: number
  left: number
  afterRun?: boolean
}

/**
 * Moves an item out of its window, which completes without it, into a window of its own. At `dueAt` (ms since 1970) `again` goes back to
 * its stream. An item that already has its fate stays.
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

/** The record of a deferred item: where it fails, with which error, and since when (ms since 1970). */
export interface DeferredNote {
  id: MessageId
  thread: ThreadId
  stage: string
  kind: ErrorKind
  reason: string
  since: number
  attempts: number
}

/** Parks the unprocessed input until its mailbox is resumed. With `oneIsEnough` only one such input is parked. */
interface ParkedInputFact {
  fact: 'paused'
  oneIsEnough: boolean
}

/** The provider calls of a run, counted by kind. */
export type CallCounts = Record<CallKind, number>

/** A thread that waits in its run to be emitted: its known message ids, newest first, the ids that are new in this run, and its state. */
export interface PendingThread {
  thread: ThreadId
  ids: readonly MessageId[]
  fresh: readonly MessageId[]
  /** How many more messages the thread has than `ids` names, where records name only the emitted ones. */
  older?: number
  olderIds?: readonly MessageId[]
  /** Identifies the state of the thread; a release takes effect only if the state has not changed meanwhile. */
  seen: string
  /** Whether its lost messages were refetched as often as allowed. */
  contextAsked: boolean
  /** Whether the thread waited before for the refetch of lost messages. */
  cameBack: boolean
  /** Whether some version of the thread was dispatched before. */
  known: boolean
  /** Ids that are new since its last task, from earlier versions that were overtaken or withheld. */
  unsent?: readonly MessageId[]
  /** Since when (ms since 1970) it waits for a task, where an earlier version was emitted and is not a task yet. */
  waitsSince?: number
  /** The owner wrote in the thread. */
  ownerWrote?: boolean
  /** Its messages that are deferred. */
  omitted: readonly MessageId[]
}
