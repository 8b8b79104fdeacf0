import type { Refusal, RequestedSpending, Reservation, Spending } from '../ai/spending.ts'
import { MailError } from '../error.ts'

const WHY: Readonly<Record<Refusal['why'], string>> = {
  'day-budget': 'the budget of the day (AI_BUDGET_USD_PER_DAY) has no room for it',
  'mailbox-budget': 'the daily budget of the mailbox (AI_BUDGET_USD_PER_MAILBOX_PER_DAY) has no room for it',
  requests: 'AI_REQUESTS_PER_MINUTE is reached',
  tokens: 'AI_TOKENS_PER_MINUTE is reached',
}
const MOST_TRIES = 3
const EXPIRED_MS = 1000

/**
 * Reserves the worst case of a request, and marks it as sent. The request must leave at once. Throws `throttled` where a limit is reached,
 * and `unavailable` where the call was aborted; then nothing stays reserved.
 */
export async function paidFor(
  spending: Spending,
  worst: RequestedSpending,
  { signal, now }: { signal: AbortSignal; now: () => number },
): Promise<Reservation> {
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const answer = await spending.reserve(worst)
    if (answer.outcome === 'wait') {
      throw new MailError('throttled', `the model is not asked: ${WHY[answer.why]}`, {
        retryAfterMs: Math.max(0, answer.untilMs - now()),
        isOurs: true,
      })
    }
    if (signal.aborted) {
      await answer.release()
      throw new MailError('unavailable', 'asking the model: aborted before it was sent')
    }
    if (await answer.sent()) return answer
  }
  throw new MailError('throttled', 'the model is not asked: reservations expire before requests leave', {
    retryAfterMs: EXPIRED_MS,
    isOurs: true,
  })
}
