import type { Redis } from 'ioredis'
import { MACHINE } from '../machine.ts'
import type { MailboxId } from '../mailbox.ts'
import type { Permit, Quota, Spent } from '../provider/quota.ts'
import type { Keys } from './keys.ts'
import { QUOTA } from './schema.ts'
import { quotaReserveScript, quotaSettleScript } from './scripts.ts'

/** The limits that a provider sets. */
export interface QuotaLimits {
  /** Units that may be spent on one mailbox within any window. */
  mailboxUnits: number
  /** Units that may be spent on all mailboxes together within any window; unlimited where absent. */
  projectUnits?: number
  /** Concurrent requests of one mailbox, until its provider refuses that many. */
  requests: number
  /** Refusals never lower the concurrency below this; 1 where absent. A few stray refusals must not end batches for a day. */
  fewestRequests?: number
  /** The provider's window; a minute where absent. */
  windowMs?: number
  /** How long an unsettled request counts as in flight, for example after its process died; 5 s where absent. */
  answerMs?: number
}

/** A provider refused a mailbox's configured concurrency `set`; `requests` is the reduced one. */
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
  /** The clock; by default the server's, which all processes share. */
  now?: () => number
  /** The ratio of each pause to the one before it, where the provider names no time; 2 where absent. */
  backoffFactor?: number
  /** Returns a new id for each permit. */
  uuid?: () => string
  /** Called once for each halving, in the process that met the refusal. */
  onNarrowed?: (narrowing: Narrowing) => void
}

const MINUTE_MS = 60_000
// Longer than any request waits for its answer.
const LEASE_MS = 45_000
// Longer than answers take; the sender of a request without an answer has probably died.
const ANSWER_MS = 5000
// Testing earlier whether the provider accepts more would cost another refusal each time.
const NARROW_MS = 24 * 60 * MINUTE_MS

/**
 * Creates a mailbox's quota, shared by all processes through Redis, within the quota of its provider project. It adapts to refusals: a
 * spent minute pauses the mailbox everywhere and lowers its share for minutes; too many concurrent requests halve the concurrency for a
 * day.
 */
export function createQuota(options: QuotaOptions): Quota {
  const { redis, keys, mailbox, limits, now, onNarrowed, backoffFactor = 2, uuid = MACHINE.uuid } = options
  const { mailboxUnits, projectUnits, requests, fewestRequests = 1 } = limits
  const { windowMs = MINUTE_MS, answerMs = ANSWER_MS } = limits
  const own = { key: keys.quota(mailbox), units: mailboxUnits, places: requests }
  // One script cannot access two slots of a cluster, so the books are reserved in turn.
  const project =
    projectUnits === undefined ? undefined : { key: keys.projectQuota(mailbox), units: projectUnits, places: 0 }

  return {
    async reserve(cost) {
      const id = uuid()
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

/** Returns a mailbox's reduced concurrency below `set`, and since when (ms since 1970); `undefined` where it is not reduced. */
export async function readNarrowing(
  { redis, keys, now }: { redis: Redis; keys: Keys; now: () => number },
  mailbox: MailboxId,
  set: number,
): Promise<(Narrowing & { since: number }) | undefined> {
  const [places, narrowedAt] = await redis.hmget(keys.quota(mailbox), QUOTA.places, QUOTA.narrowedAt)
  const [requests, since] = [Number(places ?? set), Number(narrowedAt ?? 0)]
  if (requests >= set || since + NARROW_MS <= now()) return undefined
  return { mailbox, requests, set, since }
}
