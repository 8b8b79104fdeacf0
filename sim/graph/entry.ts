/** A mail folder. */
export interface Folder {
  /** Its position in the order of creation. */
  index: number
  id: string
  displayName: string
  /** `undefined` for the root, `msgfolderroot`. */
  parent: Folder | undefined
  /** A name usable instead of its id, such as `inbox`; `undefined` for a user folder. */
  wellKnown: string | undefined
  hidden: boolean
  deleted: boolean
}

/** The marks of a message, changeable in place. */
export interface Marks {
  isRead: boolean
  flagged: boolean
  important: boolean
  categories: readonly string[]
}

/** The marks to change; the rest stays. */
export type MarkChange = { [Name in keyof Marks]?: Marks[Name] | undefined }

/** A message of a mailbox. */
export interface Entry extends Marks {
  /** Its position in delivery order. */
  index: number
  folder: Folder
  /** The number of moves: each changes its id, unless immutable ids are requested. */
  moves: number
  receivedAtMs: number
  modifiedAtMs: number
  /** The position of the first mail of its conversation. */
  conversation: number
  isDraft: boolean
  /** Rises with each change. */
  version: number
  deleted: boolean
}

/** Compares newest first by time received, then by later delivery. */
export function newerFirst(a: ListPosition, b: ListPosition): number {
  return b.receivedAtMs - a.receivedAtMs || b.index - a.index
}

/** A message's place in this order. */
export type ListPosition = Pick<Entry, 'receivedAtMs' | 'index'>
