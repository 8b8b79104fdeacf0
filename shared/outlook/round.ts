import { createHash } from 'node:crypto'
import { z } from 'zod'
import { MailError } from '../error.ts'

/**
 * The progress of a paged listing: its pages and items, the number of consecutive empty pages, and the digest
 * of an earlier link. It is stored between pages, so that a listing without progress can be distinguished from a long
 * one.
 */
export const roundSchema = z.object({ pages: z.number(), items: z.number(), empty: z.number(), seen: z.string() })
export type Round = z.infer<typeof roundSchema>

// Graph may answer with empty pages while it searches for matches of a filter.
const MAX_EMPTY = 1000
// Ten times Exchange's limit for one folder (learn.microsoft.com/office365/servicedescriptions, Exchange Online
// limits).
const MAX_MESSAGES = 10_000_000

/**
 * Returns the round after one more page with `items` items and a link to another. Throws `unavailable` if
 * there is no progress: the link leads back to an earlier page, the last thousand pages were empty, or there
 * were more messages than a folder can hold.
 */
export function nextRound(before: Round | undefined, page: { link: string; items: number }, doing: string): Round {
  const { pages, items, empty, seen } = before ?? { pages: 0, items: 0, empty: 0, seen: '' }
  const digest = createHash('sha256').update(page.link).digest('base64url').slice(0, 16)
  if (digest === seen)
    throw new MailError('unavailable', `${doing}: Microsoft's pages form a circle; the listing would not end`)
  const now = { pages: pages + 1, items: items + page.items, empty: page.items === 0 ? empty + 1 : 0 }
  if (now.empty >= MAX_EMPTY)
    throw new MailError('unavailable', `${doing}: ${now.empty} empty pages in a row; the listing does not end`)
  if (now.items > MAX_MESSAGES)
    throw new MailError('unavailable', `${doing}: more than ${items} messages; the listing does not end`)
  // Each link is compared with that of the last page whose number is a power of two, which finds every circle
  // (Brent).
  return { ...now, seen: Number.isInteger(Math.log2(now.pages)) ? digest : seen }
}
