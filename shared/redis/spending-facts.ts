import type { Redis } from 'ioredis'
import type { MailboxId } from '../mailbox.ts'
import type { Keys } from './keys.ts'
import { BOOK, BOOK_LIMIT } from './schema.ts'

/** What models cost today (UTC), in millionths of a US dollar. */
export interface SpendingFacts {
  /** By calls whose cost is known. */
  spentMicroUsd: number
  /** What calls that are not settled may cost at most. */
  openMicroUsd: number
  /** How many calls are not settled. */
  open: number
  /** How many calls wait in their order. */
  waiting: number
  /** The last call that was refused and still waits: until when (ms since 1970), and for which limit. */
  refused: { untilMs: number; why: 'budget' | 'requests' | 'tokens' } | undefined
}

const DAY_MS = 86_400_000

/** Reads today's spending of all mailboxes, or of one. Costs one command. */
export async function readSpending(
  redis: Redis,
  keys: Keys,
  { now, mailbox }: { now: number; mailbox?: MailboxId },
): Promise<SpendingFacts> {
  const fields = await redis.hgetall(mailbox === undefined ? keys.allSpending : keys.spending(mailbox))
  const today = Math.floor(now / DAY_MS)
  const facts: SpendingFacts = {
    spentMicroUsd: Number(fields[`${BOOK.spent}${today}`] ?? 0),
    openMicroUsd: 0,
    open: 0,
    waiting: 0,
    refused: refusedOf(fields[BOOK.refused], now),
  }
  for (const [name, value] of Object.entries(fields)) {
    const [, , day, microUsd] = value.split(' ').map(Number)
    if (name.startsWith(BOOK.call) && day === today) {
      facts.open += 1
      facts.openMicroUsd += microUsd ?? 0
    }
    const [, untilMs = 0] = value.split(' ').map(Number)
    if (name.startsWith(BOOK.ticket) && untilMs + LATE_MS > now) facts.waiting += 1
  }
  return facts
}

// Whoever waits returns within this time.
const LATE_MS = 2000

function refusedOf(value: string | undefined, now: number): SpendingFacts['refused'] {
  const [until, limit] = value?.split(' ') ?? []
  const untilMs = Number(until)
  if (!(untilMs > now)) return undefined
  return { untilMs, why: limit === BOOK_LIMIT.requests || limit === BOOK_LIMIT.tokens ? limit : 'budget' }
}
