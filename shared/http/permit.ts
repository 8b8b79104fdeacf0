import { MailError } from '../error.ts'
import type { Call } from '../mailbox.ts'
import type { Spent } from '../provider/quota.ts'

/** A permit to send the first `count` of some requests; settled with their result. */
export interface Taken {
  count: number
  settle(spent: Spent): Promise<void>
}

/**
 * Reserves quota for as many of these requests as may be sent together, in order. `units` is the cost of each, and `atOnce` how many the
 * provider runs in parallel, all by default. Never waits: throws `throttled` with a retry time where the quota is spent, so that other
 * mailboxes proceed meanwhile.
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

/** Sends the permitted requests and settles the permit with the result; without an answer everything counts as spent. */
export async function spend<T>(taken: Taken, units: number, send: () => Promise<T>, judge: (answer: T) => Spent) {
  let spent: Spent = { units }
  try {
    const answer = await send()
    spent = judge(answer)
    return answer
  } finally {
    // The answer must not wait for the quota. An unsettled permit expires automatically.
    void taken.settle(spent).catch(() => undefined)
  }
}
