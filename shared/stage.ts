import type { Envelope } from './envelope.ts'
import type { MailError } from './error.ts'
import type { Delivery, Fact, PendingThread } from './fact.ts'
import type { Call, Cursor, Listed, Mailbox, MailboxId } from './mailbox.ts'
import type { Message, MessageId, ThreadId } from './message.ts'
import type { Stream } from './streams.ts'
import type { TaskOptions } from './task/task.ts'

/** The six stages in flow order. One name everywhere: file, stage, consumer group, process, log field. */
export const STAGE_NAMES = ['list-ids', 'cache-filter', 'batch-fetch', 'merge', 'thread-group', 'ai-dispatch'] as const
export type StageName = (typeof STAGE_NAMES)[number]

/** A named step: what it reads, what it may write, how it is paced, and what it does with a batch of one mailbox. */
export interface Stage<In = unknown> {
  name: StageName
  reads: readonly Stream<In>[]
  writes: readonly Stream[]
  pace: Pace
  /** A function over a batch. It may throw MailError, for the whole batch; it knows no Redis, no keys and no acknowledgements. */
  handle(batch: Batch<In>, ctx: StageContext): Promise<Outcome<In>>
  /** What follows when an input has failed more than once, and is tried again after a while: what is at hand need not wait for it. */
  stall?(item: Envelope<In>): Outcome<In>
  /** What follows when an input had to be given up, so that its window and run complete all the same. */
  deadLetter(item: Envelope<In>, error: MailError): Outcome<In>
  /**
   * Where inputs are ids of windows: what follows when one is set aside, so that its window completes without it. The id itself comes back in a
   * window of its own. `undefined` where it is too early.
   */
  defer?(item: Envelope<In>, error: MailError): Outcome<In> | undefined
}

/**
 * How a stage batches. A batch holds at most `size` entries, or entries with `ids` ids where a call is made for those; `concurrency` batches
 * are in work at once. Where a slot is free and more of the same windows is known to come, a thin batch waits for it, `waitMs` at most.
 */
export interface Pace {
  size: number
  ids?: number
  /** Each batch makes a call, which takes long: no more is read ahead than the stage can begin soon. */
  calls?: true
  waitMs: number
  concurrency: number
}

/** Items of one mailbox and lane, in the order they were read; never empty. */
export interface Batch<In> {
  mailbox: MailboxId
  items: readonly Envelope<In>[]
}

/** What follows from a batch. Everything in it happens together with the acknowledgement of the input it follows from, or not at all. */
export interface Outcome<In> {
  deliveries?: readonly Delivery[]
  facts?: readonly Fact[]
  /** Inputs that could not be done this time, each with the reason; the rest of the batch is done. */
  failed?: readonly { item: Envelope<In>; error: MailError }[]
}

/** What a handler is given to work with, all of it bound to the batch's mailbox. */
export interface StageContext {
  mailbox: Mailbox
  call: Call
  cache: MessageCache
  ledger: Ledger
  task: TaskOptions
  now: () => number
}

/** The messages at hand. What it does not hold can be fetched again; nothing relies on it for good. */
export interface MessageCache {
  /** Which of these are held; those are kept for another TTL. */
  touch(ids: readonly MessageId[]): Promise<ReadonlySet<MessageId>>
  /** Those of these that are held; kept for another TTL. */
  get(ids: readonly MessageId[]): Promise<ReadonlyMap<MessageId, Message>>
  put(messages: readonly Message[]): Promise<void>
}

/** What is known of the mailbox and its runs, for stages to ask. It is changed by facts alone, but for `begin` and `suspectAll`. */
export interface Ledger {
  /**
   * Makes this event's run the mailbox's active one, or `undefined` when another is active, whose end starts the next, or the
   * mailbox is not connected. The same event asked again gets the same answer. `announced` is the newest history id that a notification
   * named; it is kept for the run that begins, or for the next. So are the messages that the event names, where it begins none.
   */
  begin(event: Envelope, announced?: string): Promise<Begun | undefined>
  /** How the mailbox stands to an event that may not need a run. Changes nothing. */
  peek(event: Envelope): Promise<Standing>
  /** At most `limit` threads of the run that wait to go out, in the order they were met. */
  pendingThreads(run: string, limit: number): Promise<readonly PendingThread[]>
  /** Which of these messages are known: some thread holds them. */
  known(listed: readonly Listed[]): Promise<ReadonlySet<MessageId>>
  /**
   * Makes every known message of the mailbox, and all that earlier pages of this run have listed, a suspect of this run: it may be gone. Facts
   * clear those that are seen. Done again it makes suspects of all again, and does no harm.
   */
  suspectAll(run: string, page: number): Promise<void>
  /** At most `limit` suspects of the run that are not cleared. */
  suspects(run: string, limit: number): Promise<readonly Listed[]>
  /** The threads of those of these messages that are known. */
  threadsOf(ids: readonly MessageId[]): Promise<ReadonlyMap<MessageId, ThreadId>>
  /** The version in which each thread was last dispatched. */
  dispatched(threads: readonly ThreadId[]): Promise<ReadonlyMap<ThreadId, string>>
}

/**
 * `idle`: changes can be listed from the cursor, and the event's run begun if there are any. `busy`: another run is active. `begin`: only
 * `begin` can tell, because the event's own run is active, or the mailbox was never listed to its end.
 */
export type Standing = { state: 'idle'; cursor: Cursor } | { state: 'busy' } | { state: 'begin' }

/** A run that may start: from where, whether the mailbox was ever listed to its end, and when that last was (ms since 1970). */
export interface Begun {
  cursor: Cursor | undefined
  synced: boolean
  syncedAt: number | undefined
  /** When this run first began; later than that it may have been tried again. */
  begunAt?: number
  /** The history id that its listing should reach, where notifications named one. */
  announced?: string | undefined
  /** It does the work of a run again that was lost: known mail need not be listed. */
  heals?: boolean
}

/** An envelope that follows from another in the same run; `id` must be the same whenever the same step is done again. */
export function follow<Body>(
  from: Envelope,
  to: Stream<Body>,
  id: string,
  body: Body,
  now: number,
  lane = from.lane,
): Delivery {
  const { run, mailbox, trace } = from
  const replay = from.replayOf === undefined ? {} : { replayOf: from.replayOf }
  return { from, to: to as Stream, envelope: { id, run, mailbox, at: now, attempt: 0, lane, trace, ...replay, body } }
}

/** Several outcomes of one batch as one. */
export function joined<In>(outcomes: readonly Outcome<In>[]): Outcome<In> {
  return {
    deliveries: outcomes.flatMap(outcome => outcome.deliveries ?? []),
    facts: outcomes.flatMap(outcome => outcome.facts ?? []),
    failed: outcomes.flatMap(outcome => outcome.failed ?? []),
  }
}
