import { z } from 'zod'
import { REASONS, type Task, taskSchema } from './task/task.ts'

/**
 * What may become of a listed message id; each id of a run has exactly one. `deferred` is the only one that passes: the message was set
 * aside, and gets one of the others later.
 */
export const FATES = ['cached', 'fetched', 'gone', 'filtered', 'dead', 'deferred'] as const
export type Fate = (typeof FATES)[number]

/** A named stream and the shape of what travels in it. */
export interface Stream<Body = unknown> {
  name: string
  body: z.ZodType<Body>
  /** What of a body has to be there for it to be given up in order, so that its window completes without it. */
  salvaged?: z.ZodType<Body>
  /** Its bodies are ids of windows, and several of one window travel in one entry: a slice (`slice.ts`). */
  sliced?: true
  /** Entries that are too large to be read are looked into all the same, up to so many bytes: what they are about has to be settled. */
  salvagedBytes?: number
  /** Other people's workers read it, with groups of their own: what they have not acknowledged is kept longer. */
  forWorkers?: true
}

// A version that did not bound its entries wrote a thread of tens of thousands of mails with so many.
const SALVAGED_BYTES = 16 << 20

const place = { window: z.string(), index: z.number().int(), of: z.number().int() }

// The streams, in the order mail flows through them.

/** How many new messages a watch event names at most; it need not name any. */
export const MOST_CREATED = 50

const watchEvent = z.object({
  cause: z.enum(['push', 'poll', 'request', 'first-sync', 'coalesced', 'look', 'heal', 'page']),
  historyId: z.string().optional(),
  /** The mailbox was listed beyond what this push announces: it asks for a later look and for no run. */
  stale: z.boolean().optional(),
  /** How many looks there may be in a row, this one included, while each finds something. */
  left: z.number().int().optional(),
  /** Messages that a notification named as new. */
  created: z.array(z.string()).max(MOST_CREATED).optional(),
  page: z
    .object({
      token: z.string(),
      since: z.string(),
      from: z.string(),
      window: z.number().int(),
      syncedAt: z.number().optional(),
      /** All is listed: known mail that was not seen is to be verified, and only then is the cursor to move here. */
      verifyThen: z.string().optional(),
      /** The history id that notifications named, which the run is to reach. */
      announced: z.string().optional(),
      /** The run heals another: what is known is not listed again. */
      heals: z.boolean().optional(),
    })
    .optional(),
})
export type WatchEvent = z.infer<typeof watchEvent>

/** "This mailbox changed", or "list the next page of this run" when a window was merged. */
export const watchEvents: Stream<WatchEvent> = { name: 'watch-events', body: watchEvent }

const listedId = z.object({
  id: z.string(),
  thread: z.string(),
  ...place,
  /** How many of the window's ids are of its thread. */
  ofThread: z.number().int().optional(),
  /** Why it is left out: it gets its fate without a fetch. */
  filtered: z.string().optional(),
  /** The cache is not to be believed: the provider is asked. */
  verify: z.boolean().optional(),
})
export type ListedId = z.infer<typeof listedId>
const salvagedId = listedId.extend({ thread: z.string().catch('') })

/** Listed ids, each with its place in its window. They travel in slices, as do all ids and fates (`slice.ts`). */
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
  /** The thread the message is in, where that is not the one it was listed with. */
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

/** Ids whose message the cache does not hold. */
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

/** A window whose every id has its fate, in listing order; or, with `release`, the word that the run's threads may go out. */
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
  /** How many messages of the thread are older than these, and have no room in a task. */
  older: z.number().int().default(0),
  /** Messages of the thread that were set aside, because they cannot be read for now. */
  omitted: z.array(z.string()).default([]),
  reason: z.enum(REASONS),
  part: z.object({ group: z.string(), of: z.number().int() }),
})
export type ThreadChange = z.infer<typeof threadChange>

/**
 * A thread that grew or changed: the ids of its newest messages, as many as a task holds, oldest first, all in the cache a moment ago; `part`
 * counts its release.
 */
export const threads: Stream<ThreadChange> = {
  name: 'threads',
  body: threadChange,
  salvagedBytes: SALVAGED_BYTES,
}

/** Self-contained analysis tasks, for the user's workers. */
export const analysisTasks: Stream<Task> = { name: 'analysis-tasks', body: taskSchema, forWorkers: true }

/** Every stream that work is handed over in, in flow order. */
export const STREAMS: readonly Stream[] = [
  watchEvents,
  messageIds,
  cachedMessages,
  missingIds,
  fetchedMessages,
  merged,
  threads,
  analysisTasks,
]
