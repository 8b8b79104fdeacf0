import type { Redis } from 'ioredis'
import type { MailboxId } from '../mailbox.ts'
import type { Keys } from './keys.ts'
import { noteScript } from './scripts.ts'

/** Whether a provider notifies of a mailbox's changes, as far as Redis knows. */
export interface WatchRecord {
  /** Until when it does (ms since 1970); `undefined` when it was never asked to. */
  expiresAt: number | undefined
  /** When it was last asked to, in vain or not. */
  askedAt: number | undefined
  /** Why it could not be asked last time. */
  failure: string | undefined
  /** A person does not want it: nobody renews it. */
  off: boolean
}

/** What is known of a mailbox's watch. */
export async function readWatch(redis: Redis, keys: Keys, mailbox: MailboxId): Promise<WatchRecord> {
  const fields = ['watchExpiresAt', 'watchAskedAt', 'watchFailure', 'watchOff'] as const
  const [expiresAt, askedAt, failure, off] = await redis.hmget(keys.mailbox(mailbox), ...fields)
  return {
    expiresAt: expiresAt ? Number(expiresAt) : undefined,
    askedAt: askedAt ? Number(askedAt) : undefined,
    failure: failure ?? undefined,
    off: off === '1',
  }
}

/** Notes that a mailbox is watched. */
export async function noteWatched(
  redis: Redis,
  keys: Keys,
  mailbox: MailboxId,
  { expiresAt, now }: { expiresAt: number; now: number },
): Promise<void> {
  const fields = { watchExpiresAt: expiresAt, watchAskedAt: now }
  await note(redis, keys, mailbox, fields, ['watchFailure', 'watchOff'])
}

/** Notes that a mailbox's watch could not be renewed; the one there is goes on until it expires. */
export async function noteWatchFailure(
  redis: Redis,
  keys: Keys,
  mailbox: MailboxId,
  { failure, now }: { failure: string; now: number },
): Promise<void> {
  await note(redis, keys, mailbox, { watchFailure: failure, watchAskedAt: now })
}

/** Notes that a mailbox is not to be watched any more. */
export async function noteUnwatched(redis: Redis, keys: Keys, mailbox: MailboxId): Promise<void> {
  await note(redis, keys, mailbox, { watchOff: 1 }, ['watchExpiresAt', 'watchAskedAt', 'watchFailure'])
}

// A mailbox that is removed while its provider is asked must not come back by what was answered.
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
