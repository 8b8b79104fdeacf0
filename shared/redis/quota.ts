import { randomUUID } from 'node:crypto'
import type { Redis } from 'ioredis'
import type { MailboxId } from '../mailbox.ts'
import type { Permit, Quota, Spent } from '../provider/quota.ts'
import type { Keys } from './keys.ts'
import { quotaReserveScript, quotaSettleScript } from './scripts.ts'

/** What a provider lets us spend. */
export interface QuotaLimits {
  /** Units that may be spent on one mailbox within any window. */
  mailboxUnits: number
  /** Units that may be spent on all mailboxes together within any window; any number where it is absent. */
  projectUnits?: number
  /** Requests of one mailbox at a time, until its provider refuses so many. */
  requests: number
  /** No refusal leads below so many; 1 where it is absent. A stray refusal or three must not end batches for a day. */
  fewestRequests?: number
  /** How long the provider counts; a minute where it is absent. */
  windowMs?: number
  /** How long a request counts as under way that nobody settles, because its process is no more, say; 5 s where it is absent. */
  answerMs?: number
}

/** A provider refused so many requests of a mailbox at a time as were set: `requests` is how many are sent now. */
export interface Narrowing {
  mailbox: MailboxId
  requests: number
  set: number
}

interface QuotaOptions {
  redis: Redis
  keys: Keys
  mailbox: MailboxId
  limits: QuotaLimits
  /** The server's clock, one for all processes, where it is absent. */
  now?: () => number
  /** How many times as long each pause is than the one before it, where the provider does not say how long; 2 where it is absent. */
  backoffFactor?: number
  /** Called once for each halving, in the process that met the refusal. */
  onNarrowed?: (narrowing: Narrowing) => void
}

const MINUTE_MS = 60_000
// Longer than any request waits for its answer.
const LEASE_MS = 45_000
// Longer than answers take: what is still without one was likely sent by a process that is no more.
const ANSWER_MS = 5000
// To find out sooner whether the provider bears more would take another refusal each time.
const NARROW_MS = 24 * 60 * MINUTE_MS

/**
 * The quota of a mailbox, kept in Redis for all processes, and within it that of its provider project. What the provider refuses is
 * learned from: a spent minute pauses the mailbox everywhere and lowers its share for minutes, a crowd halves the requests at a time for a day.
 */
export function createQuota(options: QuotaOptions): Quota {
  const { redis, keys, mailbox, limits, now, onNarrowed, backoffFactor = 2 } = options
  const { mailboxUnits, projectUnits, requests, fewestRequests = 1 } = limits
  const { windowMs = MINUTE_MS, answerMs = ANSWER_MS } = limits
  const own = { key: keys.quota(mailbox), units: mailboxUnits, places: requests }
  // Different slots of a cluster cannot be seen by one script: first the one, then the other.
  const project =
    projectUnits === undefined ? undefined : { key: keys.projectQuota(mailbox), units: projectUnits, places: 0 }

  return {
    async reserve(cost) {
      const id = randomUUID()
      const answer = await reserveIn(own, id, cost)
      if (answer) return answer
      const refusal = project && (await reserveIn(project, id, cost))
      if (refusal) {
        await settleIn(own, id, { units: 0 })
        return refusal
      }
      return {
        permit: 'go',
        async settle(spent) {
          const units = { units: spent.units }
          await Promise.all([settleIn(own, id, spent), ...(project ? [settleIn(project, id, units)] : [])])
        },
      }
    },
  }

  async function reserveIn(book: typeof own, id: string, cost: { units: number; requests: number }) {
    const words = [...wordsOf(book), id, LEASE_MS, answerMs, cost.units, cost.requests]
    const [permit, amount = 0] = (await quotaReserveScript(redis, [book.key], words)) as [Permit['permit'], number?]
    if (permit === 'wait') return { permit, waitMs: amount } as const
    if (permit === 'fewer') return { permit, most: amount } as const
    return undefined
  }

  async function settleIn(
    book: typeof own,
    id: string,
    { units, refused = '', retryAfterMs = -1 }: Omit<Spent, 'refused'> & { refused?: string },
  ) {
    const words = [...wordsOf(book), id, units, refused, retryAfterMs, fewestRequests, backoffFactor]
    const left = Number(await quotaSettleScript(redis, [book.key], words))
    if (left > 0) onNarrowed?.({ mailbox, requests: left, set: requests })
  }

  function wordsOf({ units, places }: typeof own) {
    return [now?.() ?? '', windowMs, units, places, NARROW_MS]
  }
}

/** What a mailbox's book remembers of a refusal of `set` requests at a time, and since when (ms since 1970); `undefined` where all may be sent. */
export async function readNarrowing(
  { redis, keys, now }: { redis: Redis; keys: Keys; now: () => number },
  mailbox: MailboxId,
  set: number,
): Promise<(Narrowing & { since: number }) | undefined> {
  const [places, narrowedAt] = await redis.hmget(keys.quota(mailbox), 'places', 'narrowedAt')
  const [requests, since] = [Number(places ?? set), Number(narrowedAt ?? 0)]
  if (requests >= set || since + NARROW_MS <= now()) return undefined
  return { mailbox, requests, set, since }
}
