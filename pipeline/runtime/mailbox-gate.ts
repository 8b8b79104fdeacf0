import type { Redis } from 'ioredis'
import type { MailboxId } from '../../shared/mailbox.ts'
import type { Keys } from '../../shared/redis/keys.ts'
import { isAtWork } from '../../shared/redis/mailboxes.ts'
import type { Stage } from '../../shared/stage.ts'
import { type WatchEvent, watchEvents } from '../../shared/streams.ts'

const CACHED_MS = 1000
const MAX_CACHED = 10_000

/**
 * Skips the handler for mailboxes that are paused or removed: the outcome holds their inputs back, and the commit, which sees the current
 * state, parks or drops them. An active mailbox is cached as such for a second, which saves a Redis call for each batch.
 */
export function withMailboxGate(
  stage: Stage,
  { redis, keys, now }: { redis: Redis; keys: Keys; now: () => number },
): Stage {
  const activeUntil = new Map<MailboxId, number>()

  return {
    ...stage,
    async handle(batch, ctx) {
      if (await isActive(batch.mailbox)) return stage.handle(batch, ctx)
      return {
        facts: batch.items.map(item => ({ fact: 'paused', from: item, oneIsEnough: isPlainEvent(item.body) }) as const),
      }
    },
  }

  async function isActive(mailbox: MailboxId): Promise<boolean> {
    if (now() < (activeUntil.get(mailbox) ?? 0)) return true
    activeUntil.delete(mailbox)
    if (!(await isAtWork(redis, keys, mailbox))) return false
    if (activeUntil.size >= MAX_CACHED) activeUntil.clear()
    activeUntil.set(mailbox, now() + CACHED_MS)
    return true
  }

  // One listing finds all changes, so one such event is enough.
  function isPlainEvent(body: unknown): boolean {
    return stage.reads.some(({ name }) => name === watchEvents.name) && (body as WatchEvent).page === undefined
  }
}
