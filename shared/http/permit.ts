import { MailError } from '../error.ts'
import type { Call } from '../mailbox.ts'
import type { Spent } from '../provider/quota.ts'

/** Leave to send the first `count` of some requests, to be settled when it is known what came of them. */
export interface Taken {
  count: number
  settle(spent: Spent): Promise<void>
}

/**
 * Takes leave from the call's quota for as many of these requests as may go together, first ones first; `units` is what each costs, and
 * `atOnce` how many of them the provider has done at a time, all where it is absent. Never waits: throws `throttled`, saying when to ask
 * again, where their turn has not come, so that other mailboxes come through meanwhile.
 */
export async function acquirePermit(
  { quota }: Call,
  units: readonly number[],
  doing: string,
  atOnce = units.length,
): Promise<Taken> {
  if (!quota) return { count: units.length, settle: async () => undefined }
  for (let count = units.length; ; ) {
    const cost = units.slice(0, count).reduce((sum, one) => sum + one, 0)
    const answer = await quota.reserve({ units: cost, requests: Math.min(count, atOnce) })
    if (answer.permit === 'go') return { count, settle: answer.settle }
    if (answer.permit === 'wait') {
      throw new MailError('throttled', `${doing}: the quota is spent for now`, { retryAfterMs: answer.waitMs })
    }
    count = Math.max(1, Math.min(count - 1, answer.most))
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
    // The answer counts for more than the books, and waits for none; what is not settled runs out by itself.
    void taken.settle(spent).catch(() => undefined)
  }
}
