import type { Redis } from 'ioredis'
import { type Envelope, encodeEnvelope, LANES, type Lane } from '../envelope.ts'
import { MailError } from '../error.ts'
import type { Cursor, MailboxId } from '../mailbox.ts'
import { STREAMS, type WatchEvent, watchEvents } from '../streams.ts'
import type { Keys } from './keys.ts'
import { MAILBOX, MAILBOX_STATUS } from './schema.ts'
import { connectScript, noteProbeScript, pauseScript, postScript, resumeScript } from './scripts.ts'

const RESUME_AT_ONCE = 1000

/** A connected mailbox as stored in Redis. */
export interface MailboxRecord {
  mailbox: MailboxId
  cursor: Cursor | undefined
  /** When the cursor last moved, in ms since 1970. */
  cursorAt: number | undefined
  /** Whether the mailbox was listed to its end at least once. */
  synced: boolean
  activeRun: string | undefined
  /** Why it needs a person, where it does: fix its account, then resume the mailbox. */
  needsReauth: string | undefined
  /** Since when it is parked for its account, and when its account last failed a probe; ms since 1970. */
  parkedAt: number | undefined
  probedAt: number | undefined
  /** When a person paused it, in ms since 1970; its work waits until it is resumed. */
  pausedAt: number | undefined
  /** Until when the provider notifies of its changes, in ms since 1970, where a watch was requested. */
  watchExpiresAt: number | undefined
  /** An event arrived during the active run, so another run follows. */
  dirty: boolean
}

/** Stores the number of partitions on the first start; throws `misconfigured` when it differs from that of the data. */
export async function checkLayout(redis: Redis, keys: Keys): Promise<void> {
  const count = String(keys.partitions.length)
  // Reading works even when Redis is full.
  let stored = await redis.get(keys.layout)
  if (stored === null) {
    await redis.set(keys.layout, count, 'NX')
    stored = await redis.get(keys.layout)
  }
  if (stored !== count) {
    throw new MailError(
      'misconfigured',
      `PARTITIONS is ${count}, but the data in Redis was written with ${stored}: set PARTITIONS=${stored}, or use another REDIS_PREFIX`,
    )
  }
}

/** Connects a mailbox with its pinned cursor; a connected mailbox keeps its own. Returns whether it is new. */
export async function connectMailbox(
  redis: Redis,
  keys: Keys,
  mailbox: MailboxId,
  cursor: Cursor,
  now: number,
): Promise<boolean> {
  const partition = keys.partitionOf(mailbox)
  const touched = [keys.mailbox(mailbox), keys.mailboxes(partition), keys.mailboxEvents(partition)]
  return (await connectScript(redis, touched, [mailbox, cursor, now])) === 1
}

/** Returns whether a mailbox's work may proceed: false while it is paused or not connected. */
export async function isAtWork(redis: Redis, keys: Keys, mailbox: MailboxId): Promise<boolean> {
  const [connectedAt, pausedAt] = await redis.hmget(keys.mailbox(mailbox), MAILBOX.connectedAt, MAILBOX.pausedAt)
  return connectedAt !== null && pausedAt === null
}

/** Returns every connected mailbox, by name. */
export async function listMailboxes(redis: Redis, keys: Keys): Promise<MailboxRecord[]> {
  const names = await Promise.all(keys.partitions.map(partition => redis.smembers(keys.mailboxes(partition))))
  const records = await Promise.all(names.flat().map(name => readMailbox(redis, keys, name as MailboxId)))
  return records.filter(record => record !== undefined).sort((a, b) => (a.mailbox < b.mailbox ? -1 : 1))
}

/** Returns one mailbox, or `undefined` when it is not connected. */
export async function readMailbox(redis: Redis, keys: Keys, mailbox: MailboxId): Promise<MailboxRecord | undefined> {
  const fields = await redis.hgetall(keys.mailbox(mailbox))
  if (fields[MAILBOX.connectedAt] === undefined) return undefined
  return {
    mailbox,
    cursor: fields[MAILBOX.cursor],
    cursorAt: fields[MAILBOX.cursorAt] === undefined ? undefined : Number(fields[MAILBOX.cursorAt]),
    synced: fields[MAILBOX.synced] === '1',
    activeRun: fields[MAILBOX.activeRun],
    needsReauth:
      fields[MAILBOX.status] === MAILBOX_STATUS.needsReauth ? (fields[MAILBOX.statusReason] ?? '') : undefined,
    parkedAt: fields[MAILBOX.parkedAt] === undefined ? undefined : Number(fields[MAILBOX.parkedAt]),
    probedAt: fields[MAILBOX.probedAt] === undefined ? undefined : Number(fields[MAILBOX.probedAt]),
    pausedAt: fields[MAILBOX.pausedAt] === undefined ? undefined : Number(fields[MAILBOX.pausedAt]),
    watchExpiresAt: fields[MAILBOX.watchExpiresAt] === undefined ? undefined : Number(fields[MAILBOX.watchExpiresAt]),
    dirty: fields[MAILBOX.dirty] === '1',
  }
}

/**
 * Pauses a mailbox: within a second its work is parked, and only one of its watch events is kept. Throws `misconfigured` when it is not
 * connected.
 */
export async function pauseMailbox(redis: Redis, keys: Keys, mailbox: MailboxId, now: number): Promise<void> {
  const touched = [keys.mailbox(mailbox), keys.mailboxEvents(keys.partitionOf(mailbox))]
  if ((await pauseScript(redis, touched, [mailbox, now])) === 'unknown')
    throw new MailError(
      'misconfigured',
      `${mailbox} is not connected; \`mailsluice mailboxes\` lists the connected ones`,
    )
}

/**
 * Puts a mailbox's parked work back once its account is fixed, and returns how much there was. With `unpause` it also ends a pause; without
 * it a paused mailbox and its work stay paused. Safe to call twice at once.
 */
export async function resumeMailbox(
  redis: Redis,
  keys: Keys,
  mailbox: MailboxId,
  { unpause = false, now }: { unpause?: boolean; now: number },
): Promise<number> {
  const partition = keys.partitionOf(mailbox)
  const streams = STREAMS.flatMap(({ name }) => LANES.map(lane => keys.stream(partition, name, lane)))
  const touched = [keys.parked(mailbox), keys.mailbox(mailbox), keys.mailboxEvents(partition), ...streams]
  let total = 0
  for (;;) {
    const answer = await resumeScript(redis, touched, [RESUME_AT_ONCE, mailbox, now, unpause ? 1 : 0])
    const [moved, left] = answer as [number, number]
    total += moved
    if (left === 0) return total
  }
}

/** Records a failed probe of a parked mailbox; a non-empty `reason` replaces the stored one. */
export async function noteProbe(
  redis: Redis,
  keys: Keys,
  mailbox: MailboxId,
  { now, reason }: { now: number; reason: string },
): Promise<void> {
  await noteProbeScript(redis, [keys.mailbox(mailbox)], [now, reason])
}

/** Returns the lane for listing a mailbox: one that was never listed to its end is bulk work from its first page on. */
export async function listingLane(redis: Redis, keys: Keys, mailbox: MailboxId): Promise<Lane> {
  return (await redis.hget(keys.mailbox(mailbox), MAILBOX.synced)) === '1' ? 'live' : 'bulk'
}

/** Posts a watch event to a mailbox's stream; returns the id of the run it asks for. */
export async function postWatchEvent(
  redis: Redis,
  keys: Keys,
  mailbox: MailboxId,
  event: { run: string; at: number; body: WatchEvent },
): Promise<string> {
  const { run, at, body } = event
  const lane = await listingLane(redis, keys, mailbox)
  const envelope: Envelope = { id: run, run, mailbox, at, attempt: 0, lane, body }
  const key = keys.stream(keys.partitionOf(mailbox), watchEvents.name, lane)
  await postScript(redis, [keys.mailbox(mailbox), key], [encodeEnvelope(envelope), run])
  return run
}
