import type { Redis } from 'ioredis'
import { type Envelope, encodeEnvelope } from '../envelope.ts'
import type { MailboxId } from '../mailbox.ts'
import { type WatchEvent, watchEvents } from '../streams.ts'
import type { Keys } from './keys.ts'
import { listingLane } from './mailboxes.ts'
import { ARRIVAL } from './schema.ts'
import { arriveScript } from './scripts.ts'

/**
 * The possible results of a notification: it was posted to its mailbox's stream, was posted before, is outdated and was posted as such, or
 * names a mailbox that is not connected.
 */
export const ARRIVALS = [ARRIVAL.posted, ARRIVAL.duplicate, ARRIVAL.stale, ARRIVAL.unknown] as const
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

/**
 * Posts a notification once, however often it arrives, in one script with everything it writes. Throws when Redis fails; retrying is safe.
 */
export async function takeIn(redis: Redis, keys: Keys, notice: Notice, now: number): Promise<Arrival> {
  const { id, mailbox, run, body, stale } = notice
  const partition = keys.partitionOf(mailbox)
  const lane = await listingLane(redis, keys, mailbox)
  const reported: WatchEvent = stale ? { ...body, stale } : body
  const envelope: Envelope = { id: run, run, mailbox, at: now, attempt: 0, lane, body: reported }
  const touched = [
    keys.mailbox(mailbox),
    keys.seen(partition, id),
    keys.stream(partition, watchEvents.name, lane),
    keys.arrivals(partition),
  ]
  return (await arriveScript(redis, touched, [encodeEnvelope(envelope), stale ? 1 : 0, run])) as Arrival
}

/** Counts notifications of unknown mailboxes and of none that could be named. */
export async function countUnknown(redis: Redis, keys: Keys, count: number): Promise<void> {
  const [first = 'p00'] = keys.partitions
  await redis.hincrby(keys.arrivals(first), ARRIVAL.unknown, count)
}

/** Returns how many notifications arrived since the data began, by result. */
export async function countArrivals(redis: Redis, keys: Keys): Promise<Record<Arrival, number>> {
  const counts = await Promise.all(keys.partitions.map(partition => redis.hmget(keys.arrivals(partition), ...ARRIVALS)))
  return Object.fromEntries(
    ARRIVALS.map((name, place) => [name, counts.reduce((sum, found) => sum + Number(found[place] ?? 0), 0)]),
  ) as Record<Arrival, number>
}
