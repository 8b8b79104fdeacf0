import type { Redis } from 'ioredis'
import type { Cursor, Listed, MailboxId } from '../mailbox.ts'
import type { Message } from '../message.ts'
import { packMessage } from './cached-message.ts'
import type { Keys } from './keys.ts'
import { newestIdsIn } from './known.ts'
import { LIFETIME } from './schema.ts'
import { cacheScript } from './scripts.ts'

/**
 * Returns the newest messages of a mailbox's warm threads, at most `limit` of each, the last emitted thread first; a few hundred threads at
 * most.
 */
export async function warmMessages(
  redis: Redis,
  keys: Keys,
  mailbox: MailboxId,
  { now, limit }: { now: number; limit: number },
): Promise<Listed[]> {
  const since = now - LIFETIME.warm * 1000
  const threads = await redis.zrevrangebyscore(keys.warm(mailbox), '+inf', since)
  const known = await Promise.all(threads.map(thread => redis.hgetall(keys.thread(mailbox, thread))))
  return threads.flatMap((thread, place) =>
    newestIdsIn(known[place] ?? {})
      .slice(0, limit)
      .map(id => ({ id, thread })),
  )
}

/**
 * Caches messages that were fetched outside a run, while the mailbox was at this cursor. If a run is active or has moved the cursor
 * meanwhile, the messages may be stale and none is cached. Returns whether they were cached.
 */
export async function keepAtRest(
  redis: Redis,
  keys: Keys,
  { mailbox, cursor, ttlSeconds }: { mailbox: MailboxId; cursor: Cursor; ttlSeconds: number },
  messages: readonly Message[],
): Promise<boolean> {
  const touched = [keys.mailbox(mailbox), ...messages.map(({ id }) => keys.message(mailbox, id))]
  const texts = await Promise.all(messages.map(packMessage))
  return (await cacheScript(redis, touched, [ttlSeconds, cursor, ...texts])) === messages.length
}
