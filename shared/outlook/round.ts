import { createHash } from 'node:crypto'
import { z } from 'zod'
import { MailError } from '../error.ts'

/**
 * How far a listing by pages has come without an end: its pages and their items, how many of the last pages were empty, and the digest of a link that was given
 * earlier. It is kept between pages, so that a listing that does not get anywhere is told from a long one.
 */
export const roundSchema = z.object({ pages: z.number(), items: z.number(), empty: z.number(), seen: z.string() })
export type Round = z.infer<typeof roundSchema>

// Graph may answer with empty pages while it looks for what a filter lets pass.
const MOST_EMPTY = 1000
// Ten times what Exchange takes in one folder (learn.microsoft.com/office365/servicedescriptions, Exchange Online limits).
const MOST_MESSAGES = 10_000_000

/**
 * The round after one more page, of `items` items, that has a link to another. Throws `unavailable` where that gets nowhere: the link leads
 * back to a page that was there before, the last thousand pages were empty, or there were more messages than a folder can hold.
 */
export function nextRound(before: Round | undefined, page: { link: string; items: number }, doing: string): Round {
  const { pages, items, empty, seen } = before ?? { pages: 0, items: 0, empty: 0, seen: '' }
  const digest = createHash('sha256').update(page.link).digest('base64url').slice(0, 16)
  if (digest === seen)
    throw new MailError('unavailable', `${doing}: Microsoft's pages lead in a circle, the listing would not end`)
  const now = { pages: pages + 1, items: items + page.items, empty: page.items === 0 ? empty + 1 : 0 }
  if (now.empty >= MOST_EMPTY)
    throw new MailError('unavailable', `${doing}: ${now.empty} empty pages in a row, the listing does not end`)
  if (now.items > MOST_MESSAGES)
    throw new MailError('unavailable', `${doing}: more than ${items} messages, the listing does not end`)
  // Each link is compared with that of the last page whose number is a power of two: so every circle is found (Brent).
  return { ...now, seen: Number.isInteger(Math.log2(now.pages)) ? digest : seen }
}
