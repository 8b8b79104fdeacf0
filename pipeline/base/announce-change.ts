import type { MailboxId } from '../../shared/mailbox.ts'
import type { MessageId } from '../../shared/message.ts'
import { type Arrival, takeIn } from '../../shared/redis/arrivals.ts'
import type { AppContext } from './app.ts'
import { namedRunId } from './identity.ts'

/** Why a mailbox is to be looked at: `id` is the same for the same reason, and `at` (ms since 1970) where that is known. */
interface Reason {
  id: string
  at: number
  cause: 'push' | 'poll'
  /** Messages that were named as new. */
  created?: readonly MessageId[]
}

/** Has a mailbox looked at, of which no more is known than that it may have changed; once however often it is asked for this reason. */
export function announceChange(
  { redis, keys, now }: Pick<AppContext, 'redis' | 'keys' | 'now'>,
  mailbox: MailboxId,
  { id, at, cause, created = [] }: Reason,
): Promise<Arrival> {
  const body = { cause, ...(created.length > 0 ? { created: [...created] } : {}) }
  return takeIn(redis, keys, { id, mailbox, run: namedRunId(at, id), body, stale: false }, now())
}
