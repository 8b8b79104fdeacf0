import { MailError } from '../../shared/error.ts'
import type { Fetched, Mailbox } from '../../shared/mailbox.ts'

/** Wraps a mailbox to count the messages of each fetch and those that failed; rate-limited messages count as neither. */
export function withPartCounts(mailbox: Mailbox): Mailbox {
  return {
    ...mailbox,
    async fetch(wanted, call) {
      try {
        const answers = await mailbox.fetch(wanted, call)
        const outcomes = wanted.flatMap(({ id }) => answers.get(id)?.outcome ?? 'failed')
        call.parts?.(
          count(outcomes, outcome => outcome !== 'throttled'),
          count(outcomes, outcome => outcome === 'failed'),
        )
        return answers
      } catch (error) {
        if (error instanceof MailError && !error.isRateLimit) call.parts?.(wanted.length, wanted.length)
        throw error
      }
    },
  }
}

function count(outcomes: readonly Fetched['outcome'][], isCounted: (outcome: Fetched['outcome']) => boolean): number {
  return outcomes.filter(isCounted).length
}
