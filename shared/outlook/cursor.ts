import { MailError } from '../error.ts'
import type { Cursor, Page } from '../mailbox.ts'

/** The name under which a mark is stored, for use in cursors. A mark says how far a folder is listed. */
export type MarkName = string

/**
 * The content of an Outlook cursor. `pinned`: nothing is listed yet; with `after` (ms since 1970), everything
 * before that moment is known. `folders`: each folder is listed up to its mark, for mail received since
 * `scope` (ms since 1970), or for all mail.
 */
export type CursorState =
  | { at: 'pinned'; after?: number | undefined }
  | { at: 'folders'; scope: number | undefined; marks: readonly MarkName[] }

/** The progress of a listing. It is self-contained, so a changed setting cannot mix two listings. */
export interface Progress {
  scope: number | undefined
  /** Folders whose next page is due, those in progress first, and folders that are listed completely. */
  todo: readonly MarkName[]
  done: readonly MarkName[]
  /** The stored list of folders is out of date. */
  foldersDue: boolean
  /** The number of times the folders were listed again because one was not found. */
  looks: number
  /**
   * Known mail may have disappeared unreported, so the listing must end with a sweep of existing messages.
   */
  doubt: boolean
  /** The mark at which the sweep continues; '' if it has not started. */
  sweep?: MarkName | undefined
}

const MOMENT = '(-?\\d{1,15}|)'
const NAMES = '((?:[\\w-]+(?:,[\\w-]+)*)?)'
const PINNED = new RegExp(`^pinned:${MOMENT}$`)
const FOLDERS = new RegExp(`^folders:${MOMENT}:${NAMES}$`)
const PAGE = new RegExp(`^${MOMENT}:(f?d?s?)(\\d{0,4}):${NAMES}:${NAMES}:([\\w-]*)$`)

const names = (text: string | undefined) => (text ? text.split(',') : [])
const number = (text: string | undefined) => (text ? Number(text) : undefined)

/** Encodes a cursor. */
export function writeCursor(place: CursorState): Cursor {
  if (place.at === 'pinned') return `pinned:${place.after ?? ''}`
  return `folders:${place.scope ?? ''}:${place.marks.join(',')}`
}

/** Reads a cursor written by `writeCursor`; throws `unparsable` on anything else. */
export function readCursor(cursor: Cursor): CursorState {
  const pinned = PINNED.exec(cursor)
  if (pinned) return { at: 'pinned', after: number(pinned[1]) }
  const folders = FOLDERS.exec(cursor)
  if (folders) return { at: 'folders', scope: number(folders[1]), marks: names(folders[2]) }
  throw new MailError(
    'unparsable',
    'the cursor was not written by the Outlook adapter; connect the mailbox again to start a new listing',
  )
}

/** Encodes the progress of a listing as a page. */
export function writePage({ scope, todo, done, foldersDue, looks, doubt, sweep }: Progress): Page {
  const flags = `${foldersDue ? 'f' : ''}${doubt ? 'd' : ''}${sweep === undefined ? '' : 's'}${looks || ''}`
  return [scope ?? '', flags, todo.join(','), done.join(','), sweep ?? ''].join(':')
}

/** Reads a page written by `writePage`; throws `unparsable` on anything else. */
export function readPage(page: Page): Progress {
  const match = PAGE.exec(page)
  if (!match) throw new MailError('unparsable', 'the page was not written by the Outlook adapter')
  const [, scope, flags = '', looks, todo, done, sweep] = match
  return {
    scope: number(scope),
    todo: names(todo),
    done: names(done),
    foldersDue: flags.includes('f'),
    looks: number(looks) ?? 0,
    doubt: flags.includes('d'),
    sweep: flags.includes('s') ? (sweep ?? '') : undefined,
  }
}
