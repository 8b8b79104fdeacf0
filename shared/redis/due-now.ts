import type { Redis } from 'ioredis'
import type { MailboxId } from '../mailbox.ts'
import { SENDER } from '../stage.ts'
import type { Keys } from './keys.ts'
import { scanMembers } from './scan.ts'
import { textOf } from './waits.ts'

/** Makes the delayed tasks of the sink due at `now` (ms since 1970), of one mailbox or of all, and returns how many. Repeating it is harmless. */
export async function sendNow(
  redis: Redis,
  keys: Keys,
  { mailbox, now }: { mailbox?: MailboxId | undefined; now: number },
): Promise<number> {
  const named = mailbox === undefined ? '' : textOf('mailbox', mailbox)
  let count = 0
  for (const partition of mailbox === undefined ? keys.partitions : [keys.partitionOf(mailbox)]) {
    const delays = keys.delay(partition, SENDER)
    for await (const members of scanMembers(redis, delays)) {
      const waiting = members.filter(member => member.includes(named))
      if (waiting.length > 0) await redis.zadd(delays, 'XX', ...waiting.flatMap(member => [now, member]))
      count += waiting.length
    }
  }
  return count
}
