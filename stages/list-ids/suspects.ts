import type { Fact } from '../../shared/fact.ts'
import type { Changes, Cursor, Listed } from '../../shared/mailbox.ts'
import { joined, type Outcome, type StageContext } from '../../shared/stage.ts'
import type { WatchEvent } from '../../shared/streams.ts'
import { askVerification } from '../../shared/windows/refetch.ts'
import { missedOn } from './changes.ts'
import { afterPage, type Listing, lastPage, nextPage, type Place, verifyPage } from './paging.ts'

const SUSPECTS_A_PAGE = 500

/**
 * What is to be listed after a page, and what of the known mail is suspected to be gone, or is not any more. What left one folder may be in one
 * that is still to be asked, and be gone from there before that is: it is verified when all were.
 */
export async function goFurther(
  listing: Listing,
  place: Place,
  changes: Changes,
  ctx: StageContext,
): Promise<Outcome<WatchEvent>> {
  const { item, now } = listing
  const seen = seenOn(listing, changes)
  const missed = await missedOn(changes, ctx)
  const suspected: Fact[] = missed.length > 0 ? [{ fact: 'suspected', from: item, items: missed }] : []
  if (changes.cursor === undefined || changes.present) {
    return { facts: [...seen, ...suspected, ...afterPage(listing, place, changes)] }
  }
  const isFirst = place.window === 1 || !changes.overlaps
  const earlier = isFirst ? [] : await ctx.ledger.suspects(item.run, SUSPECTS_A_PAGE)
  const here = new Set(changes.ids.map(({ id }) => id))
  const suspects = unique([...missed, ...earlier.filter(({ id }) => !here.has(id))])
  if (suspects.length > SUSPECTS_A_PAGE || earlier.length === SUSPECTS_A_PAGE) {
    return { facts: [...seen, ...suspected, verifyPage(listing, place, changes.cursor)] }
  }
  return joined([
    { facts: seen },
    askVerification(item, place.window, suspects, now),
    { facts: lastPage(listing, place, changes.cursor) },
  ])
}

/** Has a page of suspects verified. The cursor waits for the last of them: a run that breaks off finds it again. */
export async function verifySuspects(
  listing: Listing,
  place: Place,
  cursor: Cursor,
  ctx: StageContext,
): Promise<Outcome<WatchEvent>> {
  const suspects = await ctx.ledger.suspects(listing.item.run, SUSPECTS_A_PAGE)
  const isLast = suspects.length < SUSPECTS_A_PAGE
  return joined([
    askVerification(listing.item, place.window, suspects, listing.now),
    { facts: isLast ? lastPage(listing, place, cursor) : [nextPage(listing, place)] },
  ])
}

function seenOn({ item }: Listing, { ids, overlaps, present }: Changes): Fact[] {
  const there = (present ?? (overlaps ? ids : [])).map(({ id }) => id)
  return there.length > 0 ? [{ fact: 'suspects-cleared', from: item, ids: there }] : []
}

function unique(listed: readonly Listed[]): Listed[] {
  return [...new Map(listed.map(one => [one.id, one])).values()]
}
