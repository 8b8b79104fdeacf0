import type { Redis } from 'ioredis'
import { type Envelope, encodeEnvelope } from '../envelope.ts'
import type { MailboxId } from '../mailbox.ts'
import { type WatchEvent, watchEvents } from '../streams.ts'
import type { Keys } from './keys.ts'
import { listingLane } from './mailboxes.ts'
import { arriveScript } from './scripts.ts'

/**
 * The possible results of a notification: it was posted to its mailbox's stream, was posted before, is outdated and was posted as such, or
 * names a mailbox that is not connected.
 */
export const ARRIVALS = ['posted', 'duplicate', 'stale', 'unknown'] as const
export type Arrival = (typeof ARRIVALS)[number]

/** A notification that a mailbox changed. */
export interface Notice {
  /** The same for every copy of a notification. */
  id: string
  mailbox: MailboxId
  /** The run that it asks for. It is the same for every copy, so that a late copy still leads to one run. */
  run: string
  body: WatchEvent
  /** Outdated: the mailbox was listed beyond it. */
  stale: boolean
}

// Pub/Sub usually repeats within minutes. A later copy is outdated by its history id, or its run is over.
const REMEMBER_SECONDS = 24 * 3600

/**
 * Posts a notification once, however often it arrives, in one script with everything it writes. Throws when Redis fails; retrying is safe.
 */
export async function takeIn(redis: Redis, keys: Keys, notice: Notice, now: number): Promise<Arrival> {
  const { id, mailbox, run, body, stale } = notice
  const partition = keys.partitionOf(mailbox)
  const lane = await listingLane(redis, keys, mailbox)
  const reported: WatchEvent = stale ? { ...body, stale } : body
  const envelope: Envelope = { id: run, run, mailbox, at: now, attempt: 0, lane, trace: run, body: reported }
  const touched = [
    keys.mailbox(mailbox),
    keys.seen(partition, id),
    keys.stream(partition, watchEvents.name, lane),
    keys.arrivals(partition),
  ]
  return (await arriveScript(redis, touched, [
    encodeEnvelope(envelope),
    REMEMBER_SECONDS,
    stale ? 1 : 0,
    run,
  ])) as Arrival
}

/** Counts notifications of unknown mailboxes and of none that could be named. */
export async function countUnknown(redis: Redis, keys: Keys, count: number): Promise<void> {
  const [first = 'p00'] = keys.partitions
  const unknown: Arrival = 'unknown'
  await redis.hincrby(keys.arrivals(first), unknown, count)
}

/** Returns how many notifications arrived since the data began, by result. */
export async function countArrivals(redis: Redis, keys: Keys): Promise<Record<Arrival, number>> {
  const counts = await Promise.all(keys.partitions.map(partition => redis.hmget(keys.arrivals(partition), ...ARRIVALS)))
  return Object.fromEntries(
    ARRIVALS.map((name, place) => [name, counts.reduce((sum, found) => sum + Number(found[place] ?? 0), 0)]),
  ) as Record<Arrival, number>
}
