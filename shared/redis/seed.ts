import type { ChainableCommander, Redis } from 'ioredis'
import type { Lane } from '../envelope.ts'
import type { Cursor, Listed, MailboxId } from '../mailbox.ts'
import type { MessageId, ThreadId } from '../message.ts'
import type { Fate, MergedWindow } from '../streams.ts'
import type { Keys } from './keys.ts'
import { digestOf } from './known.ts'
import { connectMailbox } from './mailboxes.ts'
import { mergedWindowFields } from './merged-window.ts'
import { ENTRY, LISTING, MAILBOX, RUN, THREAD, WINDOW } from './schema.ts'

/** A namespace to write recorded state to; each key expires after `keepSeconds`. */
export interface Seedbed {
  redis: Redis
  keys: Keys
  keepSeconds: number
  now: () => number
}

/** A run of a mailbox. */
export interface RunOf {
  run: string
  mailbox: MailboxId
}

/** An entry to write to a stream's key. */
export interface SeedEntry {
  key: string
  text: string
}

/** A window in which only the places of `items` that have an item have no fate yet. */
export interface SeedWindow {
  name: string
  context: boolean
  items: readonly (Listed | undefined)[]
}

/** Writes a connected mailbox in place of any other. */
export async function seedMailbox(
  bed: Seedbed,
  mailbox: MailboxId,
  { cursor, synced }: { cursor: Cursor | undefined; synced: boolean | undefined },
): Promise<void> {
  const { redis, keys, now, keepSeconds } = bed
  const partition = keys.partitionOf(mailbox)
  await connectMailbox(redis, keys, mailbox, '', now())
  await redis.expire(keys.mailboxes(partition), keepSeconds)
  await redis.expire(keys.mailboxEvents(partition), keepSeconds)
  await redis.del(keys.mailbox(mailbox))
  await putHash(bed, keys.mailbox(mailbox), {
    [MAILBOX.connectedAt]: `${now()}`,
    ...(cursor ? { [MAILBOX.cursor]: cursor } : {}),
    ...(synced ? { [MAILBOX.synced]: '1' } : {}),
  })
}

/** Writes a run with these counters and with threads that wait for their release; `isListing` if it requests more pages. */
export async function seedRun(
  bed: Seedbed,
  { run, mailbox }: RunOf,
  state: {
    counters: Readonly<Record<string, number>>
    isListing: boolean
    waiting: readonly { thread: ThreadId; fresh: readonly MessageId[] }[]
  },
): Promise<void> {
  const { redis, keys, now, keepSeconds } = bed
  const partition = keys.partitionOf(mailbox)
  await putHash(bed, keys.run(partition, run), {
    [RUN.mailbox]: mailbox,
    [RUN.cause]: 'replay',
    [RUN.startedAt]: `${now()}`,
    [RUN.releasedAt]: `${now()}`,
    ...(state.isListing ? {} : { [RUN.listing]: LISTING.done }),
    ...Object.fromEntries(Object.entries(state.counters).map(([field, count]) => [field, `${count}`])),
  })
  await redis.zadd(keys.runs(partition), now(), run)
  await redis.expire(keys.runs(partition), keepSeconds)
  for (const { thread, fresh } of state.waiting) {
    await redis.zadd(keys.runThreads(partition, run), now(), thread)
    await putHash(bed, keys.runFresh(partition, run), { [thread]: JSON.stringify(fresh) })
  }
  await redis.expire(keys.runThreads(partition, run), keepSeconds)
}

/** Writes the messages of a run that seem to be gone. */
export async function seedSuspects(bed: Seedbed, { run, mailbox }: RunOf, suspects: readonly Listed[]): Promise<void> {
  const key = bed.keys.runSuspects(bed.keys.partitionOf(mailbox), run)
  if (suspects.length > 0) await putHash(bed, key, new Map(suspects.map(({ id, thread }) => [id, thread])))
}

/** Writes an open window. */
export async function seedWindow(
  bed: Seedbed,
  { run, mailbox }: RunOf,
  { name, context, items }: SeedWindow,
): Promise<void> {
  // A filtered known message would be removed from its thread, so these places name no message.
  const filtered: Fate = 'filtered'
  const done = items.flatMap((item, place) => (item ? [] : [[`${place}`, filtered]]))
  await putHash(bed, bed.keys.window(bed.keys.partitionOf(mailbox), run, name), {
    [WINDOW.of]: `${items.length}`,
    [WINDOW.context]: context ? '1' : '0',
    [WINDOW.items]: JSON.stringify(items.map(item => [item?.id ?? '', item?.thread ?? ''])),
    [WINDOW.done]: `${done.length}`,
    ...Object.fromEntries(done),
  })
}

/** Writes a complete window, as an entry of `merged` has it. */
export async function seedMergedWindow(bed: Seedbed, { run, mailbox }: RunOf, body: MergedWindow): Promise<void> {
  await putHash(bed, bed.keys.window(bed.keys.partitionOf(mailbox), run, body.window), mergedWindowFields(body))
}

/** Writes the known messages of a thread, and whether the thread was dispatched before. */
export async function seedThread(
  bed: Seedbed,
  mailbox: MailboxId,
  { thread, ids, known }: { thread: ThreadId; ids: readonly MessageId[]; known: boolean },
): Promise<void> {
  const { redis, keys, keepSeconds } = bed
  const key = keys.thread(mailbox, thread)
  if (ids.length > 0) {
    await putHash(bed, key, new Map(ids.map(id => [`${THREAD.id}${id}`, '1'])))
    await putHash(bed, keys.threadsOf(mailbox), new Map(ids.map(id => [digestOf(id), thread])))
  }
  if (known) await redis.multi().hsetnx(key, THREAD.dispatched, 'before the replay').expire(key, keepSeconds).exec()
}

/** Writes an entry to a stream. */
export async function seedEntry(
  { redis, keys, keepSeconds }: Seedbed,
  { mailbox, stream, lane, text }: { mailbox: MailboxId; stream: string; lane: Lane; text: string },
): Promise<void> {
  const key = keys.stream(keys.partitionOf(mailbox), stream, lane)
  await add(redis.multi(), { key, text }).expire(key, keepSeconds).exec()
}

/**
 * Writes entries again, all in one transaction. With windows, their run exists with all of them before the first is grouped.
 */
export async function requeueEntries(
  { redis, keys, now }: Omit<Seedbed, 'keepSeconds'>,
  { run, mailbox }: RunOf,
  { windows, entries }: { windows: readonly MergedWindow[]; entries: readonly SeedEntry[] },
): Promise<void> {
  const partition = keys.partitionOf(mailbox)
  const all = redis.multi()
  if (windows.length > 0) {
    const times = { [RUN.startedAt]: now(), [RUN.releasedAt]: now(), [RUN.mergedAt]: now() }
    const counts = { [RUN.opened]: windows.length, [RUN.merged]: windows.length }
    const state = { [RUN.mailbox]: mailbox, [RUN.cause]: 'requeue', [RUN.listing]: LISTING.done }
    all.hset(keys.run(partition, run), { ...state, ...counts, ...times })
    all.zadd(keys.runs(partition), now(), run)
  }
  for (const body of windows) all.hset(keys.window(partition, run, body.window), mergedWindowFields(body))
  for (const entry of entries) add(all, entry)
  await all.exec()
}

function add(all: ChainableCommander, { key, text }: SeedEntry): ChainableCommander {
  return all.xadd(key, '*', ENTRY.envelope, text)
}

async function putHash(
  { redis, keepSeconds }: Seedbed,
  key: string,
  fields: Record<string, string> | Map<string, string>,
): Promise<void> {
  await redis.multi().hset(key, fields).expire(key, keepSeconds).exec()
}
