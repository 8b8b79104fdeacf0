import type { Redis } from 'ioredis'
import type { MailboxId } from '../mailbox.ts'
import type { Keys } from './keys.ts'

// Longer than the longest pause between two tries: what is not refused for so long has ended.
const KEEP_SECONDS = 600

/**
 * Notes that an access token of a mailbox was refused; since when that happens without a break of ten minutes or a success (ms since 1970).
 */
export async function noteTokenRefusal(redis: Redis, keys: Keys, mailbox: MailboxId, now: number): Promise<number> {
  const key = keys.tokenRefused(mailbox)
  await redis.set(key, now, 'EX', KEEP_SECONDS, 'NX')
  const since = Number(await redis.getex(key, 'EX', KEEP_SECONDS))
  return Number.isFinite(since) && since > 0 ? since : now
}

/** An access token of the mailbox was accepted. */
export async function endTokenRefusals(redis: Redis, keys: Keys, mailbox: MailboxId): Promise<void> {
  await redis.unlink(keys.tokenRefused(mailbox))
}
