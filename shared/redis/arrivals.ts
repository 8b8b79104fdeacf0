import type { Redis } from 'ioredis'
import { type Envelope, encodeEnvelope } from '../envelope.ts'
import type { MailboxId } from '../mailbox.ts'
import { type WatchEvent, watchEvents } from '../streams.ts'
import type { Keys } from './keys.ts'
import { listingLane } from './mailboxes.ts'
import { arriveScript } from './scripts.ts'

/**
 * What can become of a notification: it was posted to its mailbox's stream, was posted before, is old news and was posted as such, or is
 * about a mailbox that is not connected.
 */
export const ARRIVALS = ['posted', 'duplicate', 'stale', 'unknown'] as const
export type Arrival = (typeof ARRIVALS)[number]

/** Something that says a mailbox changed. */
export interface Notice {
  /** The same whenever the same notification comes again. */
  id: string
  mailbox: MailboxId
  /** The run it asks for; the same for the same notification, so that it stays one run even when its id is forgotten. */
  run: string
  body: WatchEvent
  /** It is old news: the mailbox was listed beyond it. */
  stale: boolean
}

// Pub/Sub repeats within minutes as a rule. Later than this, what comes again is old news by its history id, or the run it names is over.
const REMEMBER_SECONDS = 24 * 3600

/** Takes a notice in, once however often it comes, in one script with all that is written; throws when Redis fails, when it may come again. */
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

/** Counts notifications of what nobody knows, and of no mailbox that could be named. */
export async function countUnknown(redis: Redis, keys: Keys, count: number): Promise<void> {
  const [first = 'p00'] = keys.partitions
  const unknown: Arrival = 'unknown'
  await redis.hincrby(keys.arrivals(first), unknown, count)
}

/** How many notifications came in since the data began, by what became of them. */
export async function countArrivals(redis: Redis, keys: Keys): Promise<Record<Arrival, number>> {
  const counts = await Promise.all(keys.partitions.map(partition => redis.hmget(keys.arrivals(partition), ...ARRIVALS)))
  return Object.fromEntries(
    ARRIVALS.map((name, place) => [name, counts.reduce((sum, found) => sum + Number(found[place] ?? 0), 0)]),
  ) as Record<Arrival, number>
}
