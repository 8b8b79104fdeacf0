import type { Sent } from './ai/sink.ts'
import type { Envelope, Lane } from './envelope.ts'
import type { MailError } from './error.ts'
import type { Delivery, Fact, PendingThread } from './fact.ts'
import type { Call, Cursor, Listed, Mailbox, MailboxId } from './mailbox.ts'
import type { Message, MessageId, ThreadId } from './message.ts'
import type { Stream } from './streams.ts'
import type { Task } from './task/schema.ts'
import type { TaskOptions } from './task/task.ts'
import type { DispatchRules } from './task/worth.ts'

/** The six stages in flow order. One name everywhere: file, stage, consumer group, process, log field. */
export const STAGE_NAMES = ['list-ids', 'cache-filter', 'batch-fetch', 'merge', 'thread-group', 'ai-dispatch'] as const

/** The second half of `ai-dispatch`, in the same process: it sends what waits for a sink. A consumer group of its own. */
export const SENDER = 'ai-send'

export type StageName = (typeof STAGE_NAMES)[number] | typeof SENDER

/** Every consumer group of ours. */
export const GROUP_NAMES: readonly StageName[] = [...STAGE_NAMES, SENDER]

/**
 * A named step: the streams it reads and may write, its pace, and its handler for a batch of one mailbox. `explain` and replays look for
 * what followed from an input in `writes` alone.
 */
export interface Stage<In = unknown> {
  name: StageName
  reads: readonly Stream<In>[]
  writes: readonly Stream[]
  pace: Pace
  /** Handles a batch. May throw MailError, for the whole batch; knows no Redis, no keys and no acknowledgements. */
  handle(batch: Batch<In>, ctx: StageContext): Promise<Outcome<In>>
  /** Returns what follows when an input has failed more than once and is retried later, so that work that is ready need not wait for it. */
  stall?(item: Envelope<In>): Outcome<In>
  /** Returns what follows when an input is dead-lettered, so that its window and run still complete. */
  deadLetter(item: Envelope<In>, error: MailError): Outcome<In>
  /**
   * Returns what follows when an input, an id of a window, is deferred, so that its window completes without it. The id returns in a window
   * of its own. Returns `undefined` where deferring is too early.
   */
  defer?(item: Envelope<In>, error: MailError): Outcome<In> | undefined
}

/**
 * The batching of a stage. A batch holds at most `size` entries, or entries with `ids` ids where those cost a call. At most `concurrency`
 * batches run at once. With a free slot, a partial batch waits at most `waitMs` for more of the same windows if more is known to come.
 */
export interface Pace {
  size: number
  ids?: number
  /** Each batch makes a slow call, so no more is read ahead than the stage can start soon. */
  calls?: true
  waitMs: number
  concurrency: number
}

/** Items of one mailbox and lane, in the order they were read; never empty. */
export interface Batch<In> {
  mailbox: MailboxId
  items: readonly Envelope<In>[]
}

/** The result of a batch. Each part happens together with the acknowledgement of its input, or not at all. */
export interface Outcome<In> {
  deliveries?: readonly Delivery[]
  facts?: readonly Fact[]
  /** Inputs that failed this time, each with the reason; the rest of the batch is done. */
  failed?: readonly { item: Envelope<In>; error: MailError }[]
  /** Inputs whose time has not come: they return at `dueAt` (ms since 1970), which is no failure. */
  later?: readonly { item: Envelope<In>; dueAt: number }[]
}

/** The tools of a handler, all bound to the batch's mailbox. */
export interface StageContext {
  mailbox: Mailbox
  call: Call
  cache: MessageCache
  ledger: Ledger
  task: TaskOptions
  dispatch?: DispatchRules
  sending?: Sending
  now: () => number
}

/** The sink, for one mailbox. */
export interface Sending {
  /**
   * Returns once a task of the mailbox may be sent. Throws `throttled` while the sink is paused, the budget is spent or the mailbox waits for
   * approval, so that nothing is read for a task that cannot go.
   */
  admit(lane: Lane): Promise<void>
  /** Sends a task, as `Sink.send` does. */
  send(task: Task, item: Pick<Envelope, 'attempt' | 'lane'>): Promise<Sent>
}

/** The cached messages. A missing message can be refetched; nothing relies on the cache permanently. */
export interface MessageCache {
  /** Returns which of these messages are cached, and renews their TTL. */
  touch(ids: readonly MessageId[]): Promise<ReadonlySet<MessageId>>
  /** Returns those of these messages that are cached, and renews their TTL. */
  get(ids: readonly MessageId[]): Promise<ReadonlyMap<MessageId, Message>>
  put(messages: readonly Message[]): Promise<void>
}

/** The known state of the mailbox and its runs, for stages to query. Only facts change it, except for `begin` and `suspectAll`. */
export interface Ledger {
  /**
   * Makes this event's run the mailbox's active one. Returns `undefined` when the mailbox is not connected or another run is active; that
   * run's end starts the next. Repeating the call for the same event gives the same answer. `announced` is the newest history id that a
   * notification named; it is kept for this run or the next. So are the messages that the event names, if no run begins.
   */
  begin(event: Envelope, announced?: string): Promise<Begun | undefined>
  /** Returns the mailbox's state for an event that may not need a run. Changes nothing. */
  peek(event: Envelope): Promise<PeekResult>
  /** Returns at most `limit` threads of the run that wait to be emitted, in the order they were queued. */
  pendingThreads(run: string, limit: number): Promise<readonly PendingThread[]>
  /** Returns which of these messages are known, that is, in some thread. */
  known(listed: readonly Listed[]): Promise<ReadonlySet<MessageId>>
  /**
   * Marks every known message of the mailbox, and all that earlier pages of this run listed, as a suspect of this run: it may be gone.
   * Facts clear the ones that are seen. Repeating it marks all of them again, harmlessly.
   */
  suspectAll(run: string, page: number): Promise<void>
  /** Returns at most `limit` suspects of the run that are not cleared. */
  suspects(run: string, limit: number): Promise<readonly Listed[]>
  /** Returns the threads of those of these messages that are known. */
  threadsOf(ids: readonly MessageId[]): Promise<ReadonlyMap<MessageId, ThreadId>>
  /** Returns the last dispatched version of each thread. */
  dispatched(threads: readonly ThreadId[]): Promise<ReadonlyMap<ThreadId, string>>
  /** Returns the newest dispatched version of a thread, and the version that a sink got last. */
  versions(thread: ThreadId): Promise<{ dispatched: string | undefined; sent: string | undefined }>
}

/**
 * The state of a mailbox for an event. `idle`: changes can be listed from the cursor, and the event's run begins if there are any. `busy`:
 * another run is active. `begin`: only `begin` can decide, because the event's own run is active or the mailbox was never listed to its
 * end.
 */
export type PeekResult = { state: 'idle'; cursor: Cursor } | { state: 'busy' } | { state: 'begin' }

/** A run that may start: its cursor, whether the mailbox was ever listed to its end, and when that last happened (ms since 1970). */
export interface Begun {
  cursor: Cursor | undefined
  synced: boolean
  syncedAt: number | undefined
  /** When this run first began; it may have been retried since. */
  begunAt?: number
  /** The history id that its listing should reach, where notifications named one. */
  announced?: string | undefined
  /** Whether the run repeats a lost one, so that known mail need not be listed. */
  heals?: boolean
}

/** Creates an envelope that follows from another in the same run; `id` must stay the same when the step is repeated. */
export function follow<Body>(
  from: Envelope,
  to: Stream<Body>,
  id: string,
  body: Body,
  now: number,
  lane = from.lane,
): Delivery {
  const { run, mailbox } = from
  const replay = from.replayOf === undefined ? {} : { replayOf: from.replayOf }
  return { from, to: to as Stream, envelope: { id, run, mailbox, at: now, attempt: 0, lane, ...replay, body } }
}

/** Combines several outcomes of one batch into one. */
export function joined<In>(outcomes: readonly Outcome<In>[]): Outcome<In> {
  const later = outcomes.flatMap(outcome => outcome.later ?? [])
  return {
    deliveries: outcomes.flatMap(outcome => outcome.deliveries ?? []),
    facts: outcomes.flatMap(outcome => outcome.facts ?? []),
    failed: outcomes.flatMap(outcome => outcome.failed ?? []),
    ...(later.length > 0 ? { later } : {}),
  }
}
