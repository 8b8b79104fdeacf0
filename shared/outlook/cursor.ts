import { MailError } from '../error.ts'
import type { Cursor, Page } from '../mailbox.ts'

/** The name of a mark: how far a folder was listed, kept where cursors can name it. */
export type MarkName = string

/**
 * What an Outlook cursor says: `pinned` when nothing was listed yet, where with `after` (ms since 1970) all that came before is known;
 * `folders` when each folder was listed up to its mark, of mail received since `scope` (ms since 1970), or of all.
 */
export type Place =
  | { at: 'pinned'; after?: number | undefined }
  | { at: 'folders'; scope: number | undefined; marks: readonly MarkName[] }

/** How far a listing came. It stands on its own, so that a changed setting cannot mix two listings. */
export interface Progress {
  scope: number | undefined
  /** Folders whose next page is to be asked for, those that are under way first, and those that are listed to their end. */
  todo: readonly MarkName[]
  done: readonly MarkName[]
  /** What is known of the folders themselves is not up to date. */
  foldersDue: boolean
  /** How often they were looked at anew because one was not found. */
  looks: number
  /** Known mail may be gone without a word: in the end it is to be told what is there. */
  doubt: boolean
  /** Where telling what is there goes on; '' where it begins. */
  sweep?: MarkName | undefined
}

const MOMENT = '(-?\\d{1,15}|)'
const NAMES = '((?:[\\w-]+(?:,[\\w-]+)*)?)'
const PINNED = new RegExp(`^pinned:${MOMENT}$`)
const FOLDERS = new RegExp(`^folders:${MOMENT}:${NAMES}$`)
const PAGE = new RegExp(`^${MOMENT}:(f?d?s?)(\\d{0,4}):${NAMES}:${NAMES}:([\\w-]*)$`)

const names = (text: string | undefined) => (text ? text.split(',') : [])
const number = (text: string | undefined) => (text ? Number(text) : undefined)

/** A place as a cursor. */
export function writeCursor(place: Place): Cursor {
  if (place.at === 'pinned') return `pinned:${place.after ?? ''}`
  return `folders:${place.scope ?? ''}:${place.marks.join(',')}`
}

/** Reads a cursor that `writeCursor` wrote; throws `unparsable` on anything else. */
export function readCursor(cursor: Cursor): Place {
  const pinned = PINNED.exec(cursor)
  if (pinned) return { at: 'pinned', after: number(pinned[1]) }
  const folders = FOLDERS.exec(cursor)
  if (folders) return { at: 'folders', scope: number(folders[1]), marks: names(folders[2]) }
  throw new MailError(
    'unparsable',
    'the cursor was not written by the Outlook adapter; connect the mailbox again to list it anew',
  )
}

/** How far a listing came, as a page. */
export function writePage({ scope, todo, done, foldersDue, looks, doubt, sweep }: Progress): Page {
  const flags = `${foldersDue ? 'f' : ''}${doubt ? 'd' : ''}${sweep === undefined ? '' : 's'}${looks || ''}`
  return [scope ?? '', flags, todo.join(','), done.join(','), sweep ?? ''].join(':')
}

/** Reads a page that `writePage` wrote; throws `unparsable` on anything else. */
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
