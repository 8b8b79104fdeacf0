import type { Redis } from 'ioredis'
import type { Lane } from '../envelope.ts'
import type { MailboxId } from '../mailbox.ts'
import { sendNow } from './due-now.ts'
import type { Keys } from './keys.ts'
import { APPROVAL } from './schema.ts'
import { approveScript } from './scripts.ts'

/** What a person was asked to approve for a mailbox. Times are in ms since 1970, money in millionths of a US dollar. */
export interface Approval {
  expectedMicroUsd: number
  askedAt: number
  /** When it was approved, where it was. */
  approvedAt: number | undefined
}

/** Whether the bulk work of mailboxes may be sent. */
export interface Approvals {
  /** Returns why a mailbox's task must wait, and when to ask again; `undefined` where it may be sent. Live tasks never wait. */
  waits(of: { mailbox: MailboxId; lane: Lane }): Promise<{ untilMs: number; why: string } | undefined>
}

interface ApprovalOptions {
  redis: Redis
  keys: Keys
  now: () => number
  /** From which expected cost on a person must approve (millionths of a US dollar); nothing waits where it is absent. */
  overMicroUsd: number | undefined
  /** Returns what the mailbox's waiting bulk tasks may be expected to cost (millionths of a US dollar). */
  expected: (mailbox: MailboxId) => Promise<number>
}

// Counting what waits reads a stream.
const COUNT_EVERY_MS = 60_000
// An approval makes them due; until then each look costs a little.
const LOOK_EVERY_MS = 3_600_000

/**
 * Creates the approvals of all processes. Once a mailbox's waiting bulk tasks exceed the sum, they wait until a person approves them with
 * `mailsluice ai approve`; an approval holds for a week.
 */
export function createApprovals({ redis, keys, now, overMicroUsd, expected }: ApprovalOptions): Approvals {
  const countedAt = new Map<MailboxId, number>()

  return {
    async waits({ mailbox, lane }) {
      if (lane === 'live' || overMicroUsd === undefined) return undefined
      const known = await readApproval(redis, keys, mailbox)
      if (known) return known.approvedAt === undefined ? waiting(mailbox, known.expectedMicroUsd) : undefined
      if ((countedAt.get(mailbox) ?? Number.NEGATIVE_INFINITY) + COUNT_EVERY_MS > now()) return undefined
      const expectedMicroUsd = await expected(mailbox)
      countedAt.set(mailbox, now())
      if (expectedMicroUsd <= overMicroUsd) return undefined
      await approveScript(redis, [keys.mailbox(mailbox), keys.approval(mailbox)], [now(), Math.ceil(expectedMicroUsd)])
      return waiting(mailbox, expectedMicroUsd)
    },
  }

  function waiting(mailbox: MailboxId, microUsd: number) {
    const why = `its bulk tasks may cost about $${(microUsd / 1_000_000).toFixed(2)}: \`mailsluice ai approve ${mailbox}\` lets them go`
    return { untilMs: now() + LOOK_EVERY_MS, why }
  }
}

/**
 * Approves what a mailbox's bulk tasks cost, for a week, and makes those due that wait; returns false for a mailbox that is not connected.
 */
export async function approve(
  redis: Redis,
  keys: Keys,
  { mailbox, now }: { mailbox: MailboxId; now: number },
): Promise<boolean> {
  const isKnown = (await approveScript(redis, [keys.mailbox(mailbox), keys.approval(mailbox)], [now, ''])) === 1
  if (isKnown) await sendNow(redis, keys, { mailbox, now })
  return isKnown
}

/** Returns what a person was asked to approve, or approved unasked; `undefined` where neither. */
export async function readApproval(redis: Redis, keys: Keys, mailbox: MailboxId): Promise<Approval | undefined> {
  const { expected, askedAt, approvedAt } = APPROVAL
  const [microUsd, asked, approved] = await redis.hmget(keys.approval(mailbox), expected, askedAt, approvedAt)
  if (!microUsd && !approved) return undefined
  return {
    expectedMicroUsd: Number(microUsd ?? 0),
    askedAt: Number(asked ?? approved),
    approvedAt: approved ? Number(approved) : undefined,
  }
}
