import type { Redis } from 'ioredis'
import type { DeferredNote } from '../fact.ts'
import type { MailboxId } from '../mailbox.ts'
import type { Keys } from './keys.ts'

/** A deferred item that has no final fate yet. */
export interface DeferredItem extends DeferredNote {
  mailbox: MailboxId
  run: string
  window: string
}

/** Returns the deferred items of a mailbox, the longest deferred first. */
export async function readDeferred(redis: Redis, keys: Keys, mailbox: MailboxId): Promise<DeferredItem[]> {
  const found = Object.entries(await redis.hgetall(keys.deferred(mailbox)))
  return found
    .map(([field, text]): DeferredItem => {
      const cut = field.indexOf('/')
      return { mailbox, run: field.slice(0, cut), window: field.slice(cut + 1), ...(JSON.parse(text) as DeferredNote) }
    })
    .sort((a, b) => a.since - b.since)
}
