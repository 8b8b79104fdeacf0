import { createHash } from 'node:crypto'
import type { Redis } from 'ioredis'
import type { Refusal, Reservation, Spending } from '../ai/spending.ts'
import { MailError } from '../error.ts'
import { MACHINE } from '../machine.ts'
import type { MailboxId } from '../mailbox.ts'
import type { Keys } from './keys.ts'
import { BOOK_LIMIT } from './schema.ts'
import { spendingReserveScript, spendingSentScript, spendingSettleScript } from './scripts.ts'

/** The limits of spending; an absent one is no limit. Money is in millionths of a US dollar. */
export interface SpendingLimits {
  /** Of all mailboxes, on a day in UTC. */
  dayMicroUsd?: number | undefined
  /** Of one mailbox, on a day in UTC. */
  mailboxMicroUsd?: number | undefined
  /** Of all mailboxes, in any minute. */
  requestsPerMinute?: number | undefined
  tokensPerMinute?: number | undefined
}

interface SpendingOptions {
  redis: Redis
  keys: Keys
  limits: SpendingLimits
  /** The clock; by default the server's, which all processes share. */
  now?: () => number
  /** Returns a new id for each reservation. */
  uuid?: () => string
}

interface Book {
  key: string
  dayMicroUsd: number | undefined
  requests: number | undefined
  tokens: number | undefined
  why: Refusal['why']
}

interface Used {
  microUsd: number | ''
  tokens: number | ''
  requests: 0 | 1
}

// Bulk work is as early in line as live work that came a minute later. So live work is first, and bulk work is not starved.
const BULK_LATER_MS = 60_000
const NOTHING: Used = { microUsd: 0, tokens: 0, requests: 0 }

/**
 * Creates the spending of all processes that share this Redis. At any time, what a day's calls cost, and what those that are not settled
 * may cost, is within its limit; so is any minute. A process may die at any point: a reserved call expires after a minute, a sent one
 * counts in full for the day of its reservation. Each call of a reservation can be repeated without further effect.
 */
export function createSpending({ redis, keys, limits, now, uuid = MACHINE.uuid }: SpendingOptions): Spending {
  const { dayMicroUsd, mailboxMicroUsd, requestsPerMinute: requests, tokensPerMinute: tokens } = limits
  const all: Book = { key: keys.allSpending, dayMicroUsd, requests, tokens, why: 'day-budget' }
  const bookOf = (mailbox: MailboxId): Book => ({
    key: keys.spending(mailbox),
    dayMicroUsd: mailboxMicroUsd,
    requests: undefined,
    tokens: undefined,
    why: 'mailbox-budget',
  })

  return {
    async reserve({ mailbox, task, lane, ...worst }) {
      refuseTooCostly(worst.microUsd)
      const [id, own] = [uuid(), bookOf(mailbox)]
      // One script cannot access two slots of a cluster, so the books are reserved in turn.
      const refusal = await reserveIn(own, [id, '', 0], worst)
      if (refusal) return refusal
      const laterMs = lane === 'live' ? 0 : BULK_LATER_MS
      const refusedByAll = await reserveIn(all, [id, ticketOf(task), laterMs], worst)
      if (refusedByAll) {
        await settleIn(own, id, NOTHING)
        return refusedByAll
      }
      return reservation([own, all], id, worst)
    },
  }

  function reservation(books: readonly Book[], id: string, worst: { microUsd: number; tokens: number }): Reservation {
    const settle = async (used: Used) => void (await Promise.all(books.map(book => settleIn(book, id, used))))
    return {
      outcome: 'go',
      async sent() {
        for (const book of books) {
          if ((await spendingSentScript(redis, [book.key], wordsOf(book, id))) === 1) continue
          await settle(NOTHING)
          return false
        }
        return true
      },
      async settle(used) {
        const isKnown = used && Number.isFinite(used.microUsd) && Number.isFinite(used.tokens)
        const known = isKnown ? { microUsd: whole(used.microUsd), tokens: whole(used.tokens) } : undefined
        await settle({ ...(known ?? { microUsd: '', tokens: '' }), requests: 1 })
        return known === undefined || (known.microUsd <= worst.microUsd && known.tokens <= worst.tokens)
      },
      release: () => settle(NOTHING),
    }
  }

  async function reserveIn(
    book: Book,
    [id, ticket, laterMs]: [string, string, number],
    worst: { microUsd: number; tokens: number },
  ): Promise<Refusal | undefined> {
    const asked = [book.dayMicroUsd ?? '', ticket, laterMs, whole(worst.microUsd), whole(worst.tokens)]
    const answer = await spendingReserveScript(redis, [book.key], [...wordsOf(book, id), ...asked])
    const [outcome, untilMs = 0, limit = ''] = answer as ['go' | 'wait', number?, string?]
    if (outcome === 'go') return undefined
    const why = limit === BOOK_LIMIT.requests || limit === BOOK_LIMIT.tokens ? limit : book.why
    return { outcome: 'wait', untilMs, why }
  }

  async function settleIn(book: Book, id: string, { microUsd, tokens, requests }: Used): Promise<void> {
    await spendingSettleScript(redis, [book.key], [...wordsOf(book, id), microUsd, tokens, requests])
  }

  function wordsOf({ requests, tokens }: Book, id: string) {
    return [now?.() ?? '', requests ?? '', tokens ?? '', id]
  }

  function refuseTooCostly(microUsd: number): void {
    for (const [name, limit] of [
      ['AI_BUDGET_USD_PER_DAY', dayMicroUsd],
      ['AI_BUDGET_USD_PER_MAILBOX_PER_DAY', mailboxMicroUsd],
    ] as const) {
      if (limit === undefined || microUsd <= limit) continue
      throw new MailError(
        'misconfigured',
        `one request may cost ${dollars(microUsd)}, which is more than ${name}=${limit / 1_000_000} allows for a whole day; raise it, or lower TASK_TOKENS or AI_OUTPUT_TOKENS`,
      )
    }
  }
}

function dollars(microUsd: number): string {
  return `$${(microUsd / 1_000_000).toFixed(6)}`
}

function whole(amount: number): number {
  return Math.min(Math.max(0, Math.ceil(amount)), Number.MAX_SAFE_INTEGER)
}

// The name of a task holds an address, which no key outside its mailbox's should.
function ticketOf(task: string): string {
  return createHash('sha1').update(task).digest('hex').slice(0, 16)
}
