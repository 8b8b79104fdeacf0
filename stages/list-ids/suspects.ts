import type { Fact } from '../../shared/fact.ts'
import type { Changes, Cursor, Listed } from '../../shared/mailbox.ts'
import { joined, type Outcome, type StageContext } from '../../shared/stage.ts'
import type { WatchEvent } from '../../shared/streams.ts'
import { askVerification } from '../../shared/windows/refetch.ts'
import { missedOn } from './changes.ts'
import { afterPage, type Listing, lastPage, nextPage, type Place, verifyPage } from './paging.ts'

const SUSPECTS_PER_PAGE = 500

/**
 * Decides what follows a page, and updates the known messages that are suspected to be gone. A message that left one folder may be in a
 * folder that is not listed yet, and may leave that one too before its turn: suspects are verified when all folders are listed.
 */
export async function continueListing(
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
  const earlier = isFirst ? [] : await ctx.ledger.suspects(item.run, SUSPECTS_PER_PAGE)
  const here = new Set(changes.ids.map(({ id }) => id))
  const suspects = unique([...missed, ...earlier.filter(({ id }) => !here.has(id))])
  if (suspects.length > SUSPECTS_PER_PAGE || earlier.length === SUSPECTS_PER_PAGE) {
    return { facts: [...seen, ...suspected, verifyPage(listing, place, changes.cursor)] }
  }
  return joined([
    { facts: seen },
    askVerification(item, place.window, suspects, now),
    { facts: lastPage(listing, place, changes.cursor) },
  ])
}

/** Requests verification of a page of suspects. The cursor moves after the last one, so that an interrupted run starts from it again. */
export async function verifySuspects(
  listing: Listing,
  place: Place,
  cursor: Cursor,
  ctx: StageContext,
): Promise<Outcome<WatchEvent>> {
  const suspects = await ctx.ledger.suspects(listing.item.run, SUSPECTS_PER_PAGE)
  const isLast = suspects.length < SUSPECTS_PER_PAGE
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
