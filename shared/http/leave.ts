import { setTimeout as timeout } from 'node:timers/promises'
import { MailError } from '../error.ts'
import type { Call } from '../mailbox.ts'
import type { Spent } from '../quota.ts'

/** Leave to send the first `count` of some requests, to be settled when it is known what came of them. */
export interface Taken {
  count: number
  settle(spent: Spent): Promise<void>
}

// So long a batch may keep its place among those that are sent at once; who waits longer makes room for other mailboxes.
const PATIENCE_MS = 2000

/**
 * Takes leave from the call's quota for as many of these requests as may go together, first ones first; `units` is what each costs, and
 * `atOnce` how many of them the provider has done at a time, all where it is absent. Sleeps where their turn is near; throws `throttled`,
 * saying when to ask again, where it is not, and `unavailable` when given up.
 */
export async function takeLeave(
  { quota, signal }: Call,
  units: readonly number[],
  doing: string,
  atOnce = units.length,
): Promise<Taken> {
  if (!quota) return { count: units.length, settle: async () => undefined }
  let count = units.length
  for (let waitedMs = 0; ; ) {
    const cost = units.slice(0, count).reduce((sum, one) => sum + one, 0)
    const answer = await quota.reserve({ units: cost, requests: Math.min(count, atOnce) })
    if (answer.leave === 'go') return { count, settle: answer.settle }
    if (answer.leave === 'fewer') {
      count = Math.max(1, Math.min(count - 1, answer.most))
      continue
    }
    const { waitMs } = answer
    if (waitedMs + waitMs > PATIENCE_MS) {
      throw new MailError('throttled', `${doing}: the quota is spent for now`, { retryAfterMs: waitMs })
    }
    waitedMs += waitMs
    await timeout(waitMs, undefined, { signal }).catch(() => {
      throw new MailError('unavailable', `${doing}: given up before it was sent`)
    })
  }
}

/** Sends what leave was taken for and settles it by what came of it; without an answer everything counts as spent. */
export async function spend<T>(taken: Taken, units: number, send: () => Promise<T>, judge: (answer: T) => Spent) {
  let spent: Spent = { units }
  try {
    const answer = await send()
    spent = judge(answer)
    return answer
  } finally {
    // The answer counts for more than the books; what is not settled runs out by itself.
    await taken.settle(spent).catch(() => undefined)
  }
}
