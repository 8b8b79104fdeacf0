import { MailError } from '../error.ts'
import type { Cursor, Page } from '../mailbox.ts'

/**
 * What a Gmail cursor says: `pinned` when nothing was listed yet and what comes after `historyId` will be found in the history,
 * `history` when everything up to `historyId` was listed.
 */
export interface Place {
  at: 'pinned' | 'history'
  historyId: bigint
  /** With `pinned`: only mail received after this moment is to be listed, in seconds since 1970; the rest is known, or left out as before. */
  after?: number
}

/**
 * What is being listed and how far it came: the newest messages with `left` to go, all of them, those received `after` a moment
 * (seconds since 1970), the history, or a sweep: all that is there, to find out what is not. It stands on its own, so that a changed setting cannot mix two listings.
 */
export type Listing =
  | { list: 'newest'; left: number; token?: string }
  | { list: 'all'; token?: string }
  | { list: 'after'; seconds: number; token?: string }
  | { list: 'sweep'; token?: string }
  | { list: 'history'; token?: string }

/** A place as a cursor. */
export function writeCursor({ at, historyId, after }: Place): Cursor {
  return after === undefined ? `${at}:${historyId}` : `${at}:${historyId}:${after}`
}

/** Reads a cursor that `writeCursor` wrote; throws `unparsable` on anything else. */
export function readCursor(cursor: Cursor): Place {
  const match = /^(?:(pinned):(\d{1,20})(?::(\d{1,11}))?|(history):(\d{1,20}))$/.exec(cursor)
  const historyId = match?.[2] ?? match?.[5]
  if (historyId === undefined) {
    throw new MailError(
      'unparsable',
      'the cursor was not written by the Gmail adapter; connect the mailbox again to list it anew',
    )
  }
  const place: Place = { at: match?.[1] ? 'pinned' : 'history', historyId: BigInt(historyId) }
  return match?.[3] === undefined ? place : { ...place, after: Number(match[3]) }
}

/** A listing and the token of its next page, as a page; without a token it is its first. */
export function writePage(listing: Listing, token = ''): Page {
  const number = listing.list === 'newest' ? listing.left : listing.list === 'after' ? listing.seconds : ''
  return `${listing.list}:${number}:${token}`
}

/** Reads a page that `writePage` wrote; throws `unparsable` on anything else. */
export function readPage(page: Page): Listing {
  // Only a sweep begins without a token: it follows another listing.
  const match = /^(?:(newest|after):(\d{1,15}):|(all|sweep|history)::)(.+)$|^(sweep)::$/s.exec(page)
  const [, counted, number = '', plain, token = '', first] = match ?? []
  if (counted === 'newest') return { list: 'newest', left: Number(number), token }
  if (counted === 'after') return { list: 'after', seconds: Number(number), token }
  if (plain === 'all' || plain === 'sweep' || plain === 'history') return { list: plain, token }
  if (first) return { list: 'sweep' }
  throw new MailError('unparsable', 'the page was not written by the Gmail adapter')
}
