import type { Redis } from 'ioredis'
import type { MailboxId } from '../../shared/mailbox.ts'
import type { Keys } from '../../shared/redis/keys.ts'
import { isAtWork } from '../../shared/redis/mailboxes.ts'
import type { Stage } from '../../shared/stage.ts'
import { type WatchEvent, watchEvents } from '../../shared/streams.ts'

const BELIEVE_MS = 1000
const MOST_BELIEVED = 10_000

/**
 * A stage that looks at nothing of a mailbox that is paused or was removed: its inputs are held, and the commit, which knows for certain,
 * parks or drops them. That a mailbox is at work is believed for a second, so that it costs a question a second and not one a batch.
 */
export function withMailboxGate(
  stage: Stage,
  { redis, keys, now }: { redis: Redis; keys: Keys; now: () => number },
): Stage {
  const believedUntil = new Map<MailboxId, number>()

  return {
    ...stage,
    async handle(batch, ctx) {
      if (await isBelieved(batch.mailbox)) return stage.handle(batch, ctx)
      return {
        facts: batch.items.map(item => ({ fact: 'held', from: item, oneIsEnough: isPlainEvent(item.body) }) as const),
      }
    },
  }

  async function isBelieved(mailbox: MailboxId): Promise<boolean> {
    if (now() < (believedUntil.get(mailbox) ?? 0)) return true
    believedUntil.delete(mailbox)
    if (!(await isAtWork(redis, keys, mailbox))) return false
    if (believedUntil.size >= MOST_BELIEVED) believedUntil.clear()
    believedUntil.set(mailbox, now() + BELIEVE_MS)
    return true
  }

  // Whatever it was that changed: one look finds it all.
  function isPlainEvent(body: unknown): boolean {
    return stage.reads.some(({ name }) => name === watchEvents.name) && (body as WatchEvent).page === undefined
  }
}
