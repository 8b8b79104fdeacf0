import type { SimMailbox } from '../../sim/mailbox.ts'
import type { Conversations } from './conversations.ts'

/** The number of mailboxes at each provider. */
export interface Split {
  gmail: number
  outlook: number
}

const OUTLOOK_SHARE = 0.2
// A few are large, the first of them larger than a listing page; most are small, as in a real fleet of mailboxes.
const LARGE: Record<keyof Split, readonly number[]> = { gmail: [640, 260, 90, 0], outlook: [240, 60, 0] }
const SMALL = [25, 8, 40, 0, 15]

/** Assigns every fifth mailbox to Outlook, and at least one to each provider. */
export function splitMailboxes(mailboxes: number): Split {
  const outlook = Math.max(1, Math.round(mailboxes * OUTLOOK_SHARE))
  return { gmail: Math.max(1, mailboxes - outlook), outlook }
}

/** Creates the mailboxes of one provider, with their initial mail. */
export function openingMailboxes(provider: keyof Split, count: number, conversations: Conversations): SimMailbox[] {
  return Array.from({ length: count }, (_, index) => {
    const size = LARGE[provider][index] ?? SMALL[index % SMALL.length] ?? 0
    return conversations.mailbox(`${provider}-${index + 1}@example.com`, size)
  })
}
