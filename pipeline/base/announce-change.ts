import type { MailboxId } from '../../shared/mailbox.ts'
import type { MessageId } from '../../shared/message.ts'
import { type Arrival, takeIn } from '../../shared/redis/arrivals.ts'
import type { AppContext } from './app.ts'
import { namedRunId } from './identity.ts'

/** Why a mailbox needs a sync. The same reason has the same `id`; `at` is when it arose, in ms since 1970. */
interface Reason {
  id: string
  at: number
  cause: 'push' | 'poll'
  /** Messages that the provider named as new. */
  created?: readonly MessageId[]
}

/** Requests a sync of a mailbox that may have changed; repeated calls for the same reason request it once. */
export function announceChange(
  { redis, keys, now }: Pick<AppContext, 'redis' | 'keys' | 'now'>,
  mailbox: MailboxId,
  { id, at, cause, created = [] }: Reason,
): Promise<Arrival> {
  const body = { cause, ...(created.length > 0 ? { created: [...created] } : {}) }
  return takeIn(redis, keys, { id, mailbox, run: namedRunId(at, id), body, stale: false }, now())
}
