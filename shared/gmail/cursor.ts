import { MailError } from '../error.ts'
import type { Cursor, Page } from '../mailbox.ts'

/**
 * The content of a Gmail cursor. `pinned`: nothing is listed yet, and changes after `historyId` come from the
 * history. `history`: everything up to `historyId` is listed.
 */
export interface HistoryPoint {
  at: 'pinned' | 'history'
  historyId: bigint
  /**
   * With `pinned`: list only mail received after this moment, in seconds since 1970. Older mail is known, or
   * left out as before.
   */
  after?: number
}

/**
 * The listing in progress: the newest messages with `left` to go, all of them, those received `after` a
 * moment (seconds since 1970), the history, or a sweep. A sweep lists every message that exists, to find
 * those that no longer do. It is self-contained, so a changed setting cannot mix two listings.
 */
export type GmailListing =
  | { list: 'newest'; left: number; token?: string }
  | { list: 'all'; token?: string }
  | { list: 'after'; seconds: number; token?: string }
  | { list: 'sweep'; token?: string }
  | { list: 'history'; token?: string }

/** Encodes a cursor. */
export function writeCursor({ at, historyId, after }: HistoryPoint): Cursor {
  return after === undefined ? `${at}:${historyId}` : `${at}:${historyId}:${after}`
}

/** Reads a cursor written by `writeCursor`; throws `unparsable` on anything else. */
export function readCursor(cursor: Cursor): HistoryPoint {
  const match = /^(?:(pinned):(\d{1,20})(?::(\d{1,11}))?|(history):(\d{1,20}))$/.exec(cursor)
  const historyId = match?.[2] ?? match?.[5]
  if (historyId === undefined) {
    throw new MailError(
      'unparsable',
      'the cursor was not written by the Gmail adapter; connect the mailbox again to start a new listing',
    )
  }
  const place: HistoryPoint = { at: match?.[1] ? 'pinned' : 'history', historyId: BigInt(historyId) }
  return match?.[3] === undefined ? place : { ...place, after: Number(match[3]) }
}

/** Encodes a listing and the token of its next page as a page. Without a token it is the first page. */
export function writePage(listing: GmailListing, token = ''): Page {
  const number = listing.list === 'newest' ? listing.left : listing.list === 'after' ? listing.seconds : ''
  return `${listing.list}:${number}:${token}`
}

/** Reads a page written by `writePage`; throws `unparsable` on anything else. */
export function readPage(page: Page): GmailListing {
  // Only a sweep starts without a token, because it follows another listing.
  const match = /^(?:(newest|after):(\d{1,15}):|(all|sweep|history)::)(.+)$|^(sweep)::$/s.exec(page)
  const [, counted, number = '', plain, token = '', first] = match ?? []
  if (counted === 'newest') return { list: 'newest', left: Number(number), token }
  if (counted === 'after') return { list: 'after', seconds: Number(number), token }
  if (plain === 'all' || plain === 'sweep' || plain === 'history') return { list: plain, token }
  if (first) return { list: 'sweep' }
  throw new MailError('unparsable', 'the page was not written by the Gmail adapter')
}
