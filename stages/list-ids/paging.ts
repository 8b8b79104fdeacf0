import type { Envelope, Lane } from '../../shared/envelope.ts'
import type { Fact } from '../../shared/fact.ts'
import type { Changes, Cursor } from '../../shared/mailbox.ts'
import { follow } from '../../shared/stage.ts'
import { type WatchEvent, watchEvents } from '../../shared/streams.ts'

/** Where a page of a run is listed from; `from` is the mailbox's cursor as the run found it, `syncedAt` when it last moved. */
export interface Place {
  since: Cursor
  from: Cursor
  token?: string | undefined
  syncedAt?: number | undefined
  /** All is listed: known mail that was not seen is to be verified, and only then is the cursor to move here. */
  verifyThen?: Cursor | undefined
  window: number
  /** The history id that notifications named, and when the run that is to reach it began (ms since 1970). */
  announced?: string | undefined
  begunAt?: number | undefined
  /** The run heals another: what that one has made known is not listed again. */
  heals?: boolean | undefined
}

/** The page an event comes from: in which run and lane what follows it is, and at what time (ms since 1970). */
export interface Listing {
  item: Envelope<WatchEvent>
  lane: Lane
  now: number
}

/** What is to be listed after a page: the next, what is to be verified, or nothing any more, when the cursor moves. */
export function afterPage(listing: Listing, place: Place, { next, cursor, present }: Changes): Fact[] {
  if (next !== undefined) return [nextPage(listing, { ...place, token: next })]
  if (cursor === undefined) return [{ fact: 'page-listed', from: listing.item }]
  if (present) return [verifyPage(listing, place, cursor)]
  return lastPage(listing, place, cursor)
}

/** All is listed; what is suspected is verified by and by, and then the cursor moves. */
export function verifyPage(listing: Listing, place: Place, cursor: Cursor): Fact {
  return nextPage(listing, { ...place, token: '', verifyThen: cursor })
}

/** The run has another page; it is asked for when one of its windows is merged. */
export function nextPage({ item, lane, now }: Listing, { window, token = '', begunAt: _, ...place }: Place): Fact {
  const page = { ...place, token, window: window + 1 }
  const id = `${item.run}/page/${page.window}`
  return { fact: 'page-listed', from: item, next: follow(item, watchEvents, id, { cause: 'page', page }, now, lane) }
}

/** The run is listed to its end, and the next one begins at the cursor. */
export function lastPage({ item }: Listing, { from }: Place, cursor: Cursor): Fact[] {
  return [
    { fact: 'cursor-moved', from: item, was: from, to: cursor },
    { fact: 'page-listed', from: item },
  ]
}
