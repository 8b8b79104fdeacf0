import { z } from 'zod'
import { resultSchema, type TaskResult } from './task/result.ts'
import { REASONS, type Task, taskSchema } from './task/schema.ts'

/**
 * The fates of a listed message id; each id of a run has exactly one. Only `deferred` is temporary: the message is set aside and gets
 * another fate later.
 */
export const FATES = ['cached', 'fetched', 'gone', 'filtered', 'dead', 'deferred'] as const
export type Fate = (typeof FATES)[number]

/** A named stream and the shape of its bodies. */
export interface Stream<Body = unknown> {
  name: string
  body: z.ZodType<Body>
  /** The parts of a body that dead-lettering needs, so that the window completes without it. */
  salvaged?: z.ZodType<Body>
  /** Its bodies are ids of windows, and one entry carries several of one window: a slice (`slice.ts`). */
  sliced?: true
  /** Oversized entries are still salvaged up to this many bytes, because their windows and threads must be settled. */
  salvagedBytes?: number
  /** External workers read it with consumer groups of their own; unacknowledged entries are kept longer. */
  forWorkers?: true
  /** External workers write it, and no stage reads it; entries that no group reads are kept as long as unread tasks. */
  fromWorkers?: true
}

// An earlier version without an entry limit wrote threads of tens of thousands of mails with this size.
const SALVAGED_BYTES = 16 << 20

const place = { window: z.string(), index: z.number().int(), of: z.number().int() }

// The streams, in the order mail flows through them.

/** The most new messages that a watch event names; it need not name any. */
export const MAX_CREATED = 50

const watchEvent = z.object({
  cause: z.enum(['push', 'poll', 'request', 'first-sync', 'coalesced', 'look', 'heal', 'page']),
  historyId: z.string().optional(),
  /** The mailbox was listed beyond what this push announces: the push asks for a later look, not for a run. */
  stale: z.boolean().optional(),
  /** How many looks in a row are allowed, this one included, while each finds something. */
  left: z.number().int().optional(),
  /** Messages that a notification named as new. */
  created: z.array(z.string()).max(MAX_CREATED).optional(),
  page: z
    .object({
      token: z.string(),
      since: z.string(),
      from: z.string(),
      window: z.number().int(),
      syncedAt: z.number().optional(),
      /** Everything is listed: unseen known mail is verified first, and only then does the cursor move here. */
      verifyThen: z.string().optional(),
      /** The history id that notifications named and the run should reach. */
      announced: z.string().optional(),
      /** The run heals another: known mail is not listed again. */
      heals: z.boolean().optional(),
    })
    .optional(),
})
export type WatchEvent = z.infer<typeof watchEvent>

/** A mailbox changed, or the next page of its run can be listed because a window was merged. */
export const watchEvents: Stream<WatchEvent> = { name: 'watch-events', body: watchEvent }

const listedId = z.object({
  id: z.string(),
  thread: z.string(),
  ...place,
  /** How many of the window's ids belong to its thread. */
  ofThread: z.number().int().optional(),
  /** Why the id is filtered out: it gets its fate without a fetch. */
  filtered: z.string().optional(),
  /** The cached message may be stale: the provider is asked. */
  verify: z.boolean().optional(),
})
export type ListedId = z.infer<typeof listedId>
const salvagedId = listedId.extend({ thread: z.string().catch('') })

/** Listed ids, each with its place in its window. They travel in slices, as all ids and fates do (`slice.ts`). */
export const messageIds: Stream<ListedId> = {
  name: 'message-ids',
  body: listedId,
  salvaged: salvagedId,
  sliced: true,
}

const settledId = z.object({
  id: z.string(),
  ...place,
  fate: z.enum(FATES),
  reason: z.string().optional(),
  /** The message's thread, where the listing named another one. */
  inThread: z.string().optional(),
})
export type SettledId = z.infer<typeof settledId>
const salvagedFate = settledId.extend({
  id: z.string().catch(''),
  fate: z.enum(FATES).catch('dead'),
  reason: z.string().optional().catch(undefined),
})

/** Fates that needed no fetch. */
export const cachedMessages: Stream<SettledId> = {
  name: 'cached-messages',
  body: settledId,
  salvaged: salvagedFate,
  sliced: true,
}

/** Ids whose messages are not cached. */
export const missingIds: Stream<ListedId> = {
  name: 'missing-ids',
  body: listedId,
  salvaged: salvagedId,
  sliced: true,
}

/** Fates after a fetch. */
export const fetchedMessages: Stream<SettledId> = {
  name: 'fetched-messages',
  body: settledId,
  salvaged: salvagedFate,
  sliced: true,
}

const mergedWindow = z.object({
  window: z.string(),
  context: z.boolean().default(false),
  release: z.boolean().default(false),
  items: z.array(z.object({ id: z.string(), thread: z.string(), fate: z.enum(FATES) })).default([]),
})
export type MergedWindow = z.infer<typeof mergedWindow>

/** A window whose ids all have their fates, in listing order; or, with `release`, the signal to emit the run's threads. */
export const merged: Stream<MergedWindow> = {
  name: 'merged',
  body: mergedWindow,
  salvagedBytes: SALVAGED_BYTES,
}

const threadChange = z.object({
  thread: z.string(),
  version: z.string(),
  ids: z.array(z.string()),
  fresh: z.array(z.string()),
  /** How many older messages of the thread do not fit in a task. */
  older: z.number().int().default(0),
  /** The newest of those. */
  olderIds: z.array(z.string()).default([]),
  /** Deferred messages of the thread, which cannot be read for now. */
  omitted: z.array(z.string()).default([]),
  reason: z.enum(REASONS),
  /** The owner wrote in the thread, as far as its mail was at hand. */
  ownerWrote: z.boolean().default(false),
  /** Since when (ms since 1970) the thread waits for a task, where an earlier version was overtaken before it became one. */
  waitsSince: z.number().optional(),
  part: z.object({ group: z.string(), of: z.number().int() }),
})
export type ThreadChange = z.infer<typeof threadChange>

/**
 * A thread that grew or changed: the ids of its newest messages, as many as a task holds, oldest first, all cached a moment ago; `part`
 * counts its release.
 */
export const threads: Stream<ThreadChange> = {
  name: 'threads',
  body: threadChange,
  salvagedBytes: SALVAGED_BYTES,
}

const dueTask = threadChange.omit({ part: true, waitsSince: true })
export type DueTask = z.infer<typeof dueTask>

/**
 * Threads that wait for a sink, with `AI_SINK` other than `stream`. Their tasks are built when they are sent, so mail is read once, and only
 * the newest version goes out.
 */
export const dueTasks: Stream<DueTask> = { name: 'due-tasks', body: dueTask, salvagedBytes: SALVAGED_BYTES }

/** Self-contained analysis tasks, for the user's workers. */
export const analysisTasks: Stream<Task> = { name: 'analysis-tasks', body: taskSchema, forWorkers: true }

/** Answers to analysis tasks, from the user's workers or a sink, to the user's programs. Each lies in the partition of its mailbox. */
export const analysisResults: Stream<TaskResult> = { name: 'analysis-results', body: resultSchema, fromWorkers: true }

/** Every stream between stages and around them, in flow order. */
export const STREAMS: readonly Stream[] = [
  watchEvents,
  messageIds,
  cachedMessages,
  missingIds,
  fetchedMessages,
  merged,
  threads,
  dueTasks,
  analysisTasks,
  analysisResults,
]
