import type { Envelope, Lane } from '../../shared/envelope.ts'
import type { Fact } from '../../shared/fact.ts'
import type { Changes, Cursor, Listed } from '../../shared/mailbox.ts'
import { follow, joined, type Outcome } from '../../shared/stage.ts'
import { messageIds, type WatchEvent, watchEvents } from '../../shared/streams.ts'
import { countThreads, keepThreads } from '../../shared/windows/by-thread.ts'
import { inParts } from '../../shared/windows/parts.ts'

const PART_DIGITS = 4

/** The position of a page in a run; `from` is the mailbox's cursor when the run began, `syncedAt` the time it last moved. */
export interface Place {
  since: Cursor
  from: Cursor
  token?: string | undefined
  syncedAt?: number | undefined
  /** The cursor after verification: everything is listed, and known mail that was not seen is verified before the cursor moves here. */
  verifyThen?: Cursor | undefined
  window: number
  /** The announced history id, and the start of the run that has to reach it (ms since 1970). */
  announced?: string | undefined
  begunAt?: number | undefined
  /** Whether the run heals another one: messages that became known there are not listed again. */
  heals?: boolean | undefined
}

/** The event of a page, with the lane and the time (ms since 1970) of everything emitted for it. */
export interface Listing {
  item: Envelope<WatchEvent>
  lane: Lane
  now: number
}

/**
 * Opens a window of listed ids. Ids of one thread are adjacent, so they share a slice and one fetch. A page larger than an entry
 * becomes several windows, `3`, `3.0001` and so on, which sort in the position of their page.
 */
export function openWindow({ item, lane, now }: Listing, page: number, listed: readonly Listed[]): Outcome<WatchEvent> {
  return joined(
    inParts(keepThreads(listed)).map((ids, part) => {
      const window = part === 0 ? `${page}` : `${page}.${`${part}`.padStart(PART_DIGITS, '0')}`
      const ofThread = countThreads(ids.filter(({ filtered }) => filtered === undefined))
      const deliveries = ids.map((one, index) => {
        const body = { ...one, window, index, of: ids.length, ofThread: ofThread(one.thread) }
        return follow(item, messageIds, `${item.run}/${window}/${index}`, body, now, lane)
      })
      return { deliveries, facts: [{ fact: 'window-opened', from: item, window, context: false, items: ids }] }
    }),
  )
}

/** Returns the facts that follow a page: the next page, a verification page, or the end of the listing, which moves the cursor. */
export function afterPage(listing: Listing, place: Place, { next, cursor, present }: Changes): Fact[] {
  if (next !== undefined) return [nextPage(listing, { ...place, token: next })]
  if (cursor === undefined) return [{ fact: 'page-listed', from: listing.item }]
  if (present) return [verifyPage(listing, place, cursor)]
  return lastPage(listing, place, cursor)
}

/** Requests a verification page: everything is listed, suspects are verified page by page, and then the cursor moves. */
export function verifyPage(listing: Listing, place: Place, cursor: Cursor): Fact {
  return nextPage(listing, { ...place, token: '', verifyThen: cursor })
}

/** Registers the next page of the run; it is requested when one of the run's windows is merged. */
export function nextPage({ item, lane, now }: Listing, { window, token = '', begunAt: _, ...place }: Place): Fact {
  const page = { ...place, token, window: window + 1 }
  const id = `${item.run}/page/${page.window}`
  return { fact: 'page-listed', from: item, next: follow(item, watchEvents, id, { cause: 'page', page }, now, lane) }
}

/** Ends the listing of the run and moves the cursor, where the next run begins. */
export function lastPage({ item }: Listing, { from }: Place, cursor: Cursor): Fact[] {
  return [
    { fact: 'cursor-moved', from: item, was: from, to: cursor },
    { fact: 'page-listed', from: item },
  ]
}
