import type { SimMailbox } from '../../sim/mailbox.ts'
import type { Talks } from './talks.ts'

/** How many mailboxes there are at each provider. */
export interface Split {
  gmail: number
  outlook: number
}

const OUTLOOK_SHARE = 0.2
// A few are large, the first of them larger than a listing page; most are small, as where many mailboxes are connected at once.
const LARGE: Record<keyof Split, readonly number[]> = { gmail: [640, 260, 90, 0], outlook: [240, 60, 0] }
const SMALL = [25, 8, 40, 0, 15]

/** Puts every fifth mailbox at Outlook, and at least one at each provider. */
export function splitMailboxes(mailboxes: number): Split {
  const outlook = Math.max(1, Math.round(mailboxes * OUTLOOK_SHARE))
  return { gmail: Math.max(1, mailboxes - outlook), outlook }
}

/** The mailboxes at one provider, with the mail that they hold when the chaos begins. */
export function openingMailboxes(provider: keyof Split, count: number, talks: Talks): SimMailbox[] {
  return Array.from({ length: count }, (_, index) => {
    const size = LARGE[provider][index] ?? SMALL[index % SMALL.length] ?? 0
    return talks.mailbox(`${provider}-${index + 1}@example.com`, size)
  })
}
