import type { Redis } from 'ioredis'
import type { MailboxId } from '../mailbox.ts'
import type { Keys } from './keys.ts'
import { MAILBOX } from './schema.ts'
import { noteScript } from './scripts.ts'

/** The state of a mailbox's watch at its provider, as stored in Redis. */
export interface WatchRecord {
  /** Until when it lasts (ms since 1970); `undefined` when it was never requested. */
  expiresAt: number | undefined
  /** When it was last requested, successfully or not. */
  askedAt: number | undefined
  /** Why the last request failed. */
  failure: string | undefined
  /** A person turned it off, so it is not renewed. */
  off: boolean
}

/** Returns the stored state of a mailbox's watch. */
export async function readWatch(redis: Redis, keys: Keys, mailbox: MailboxId): Promise<WatchRecord> {
  const { watchExpiresAt, watchAskedAt, watchFailure, watchOff } = MAILBOX
  const fields = [watchExpiresAt, watchAskedAt, watchFailure, watchOff] as const
  const [expiresAt, askedAt, failure, off] = await redis.hmget(keys.mailbox(mailbox), ...fields)
  return {
    expiresAt: expiresAt ? Number(expiresAt) : undefined,
    askedAt: askedAt ? Number(askedAt) : undefined,
    failure: failure ?? undefined,
    off: off === '1',
  }
}

/** Records that a mailbox is watched. */
export async function noteWatched(
  redis: Redis,
  keys: Keys,
  mailbox: MailboxId,
  { expiresAt, now }: { expiresAt: number; now: number },
): Promise<void> {
  const fields = { [MAILBOX.watchExpiresAt]: expiresAt, [MAILBOX.watchAskedAt]: now }
  await note(redis, keys, mailbox, fields, [MAILBOX.watchFailure, MAILBOX.watchOff])
}

/** Records that renewing a mailbox's watch failed; the current one continues until it expires. */
export async function noteWatchFailure(
  redis: Redis,
  keys: Keys,
  mailbox: MailboxId,
  { failure, now }: { failure: string; now: number },
): Promise<void> {
  await note(redis, keys, mailbox, { [MAILBOX.watchFailure]: failure, [MAILBOX.watchAskedAt]: now })
}

/** Records that a mailbox is no longer to be watched. */
export async function noteUnwatched(redis: Redis, keys: Keys, mailbox: MailboxId): Promise<void> {
  const forget = [MAILBOX.watchExpiresAt, MAILBOX.watchAskedAt, MAILBOX.watchFailure]
  await note(redis, keys, mailbox, { [MAILBOX.watchOff]: 1 }, forget)
}

// A mailbox removed during the provider call must not reappear with its answer.
async function note(
  redis: Redis,
  keys: Keys,
  mailbox: MailboxId,
  fields: Record<string, string | number>,
  forget: readonly string[] = [],
): Promise<void> {
  const entries = Object.entries(fields)
  await noteScript(redis, [keys.mailbox(mailbox)], [entries.length, ...entries.flat(), ...forget])
}
