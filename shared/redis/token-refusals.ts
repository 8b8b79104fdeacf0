import type { Redis } from 'ioredis'
import type { MailboxId } from '../mailbox.ts'
import type { Keys } from './keys.ts'

// Longer than the longest pause between two attempts: after so long without a refusal, the series has ended.
const KEEP_SECONDS = 600
const LONGEST_MS = 24 * 3_600_000

/**
 * Records that an access token of a mailbox was refused. Returns for how long tokens have been refused without a success or a break of ten
 * minutes, in ms by the server's clock, at most a day.
 */
export async function noteTokenRefusal(redis: Redis, keys: Keys, mailbox: MailboxId): Promise<number> {
  const { lately, since } = keysOf(keys, mailbox)
  const isFirst = (await redis.exists(lately)) === 0
  // The key's elapsed lifetime gives the age without a clock of ours.
  if (isFirst) await redis.set(since, '1', 'PX', LONGEST_MS)
  else await redis.set(since, '1', 'PX', LONGEST_MS, 'NX')
  await redis.set(lately, '1', 'EX', KEEP_SECONDS)
  const leftMs = await redis.pttl(since)
  // Another process whose token was accepted may have removed it meanwhile.
  return leftMs < 0 ? 0 : Math.max(0, LONGEST_MS - leftMs)
}

/** Ends a series of refusals: an access token of the mailbox was accepted. */
export async function endTokenRefusals(redis: Redis, keys: Keys, mailbox: MailboxId): Promise<void> {
  const { lately, since } = keysOf(keys, mailbox)
  await redis.unlink(lately, since)
}

function keysOf(keys: Keys, mailbox: MailboxId) {
  const lately = keys.tokenRefused(mailbox)
  return { lately, since: `${lately}:since` }
}
