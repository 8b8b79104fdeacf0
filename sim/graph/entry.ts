/** A mail folder. */
export interface Folder {
  /** Its place in the order in which folders were made. */
  index: number
  id: string
  displayName: string
  /** `undefined` for the root, `msgfolderroot`. */
  parent: Folder | undefined
  /** The name by which it can be asked for instead of its id, such as `inbox`; `undefined` for a folder of one's own. */
  wellKnown: string | undefined
  hidden: boolean
  deleted: boolean
}

/** What can be changed of a message where it lies. */
export interface Marks {
  isRead: boolean
  flagged: boolean
  important: boolean
  categories: readonly string[]
}

/** What is to be changed of it; the rest stays. */
export type MarkChange = { [Name in keyof Marks]?: Marks[Name] | undefined }

/** A message of a mailbox. */
export interface Entry extends Marks {
  /** Its position in delivery order. */
  index: number
  folder: Folder
  /** How often it was moved: each move gives it another id, unless ids are asked for that are immutable. */
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

/** The order of lists: by time received, newest first, later deliveries first within one moment. */
export function newerFirst(a: Place, b: Place): number {
  return b.receivedAtMs - a.receivedAtMs || b.index - a.index
}

/** Where a message stands in such an order. */
export type Place = Pick<Entry, 'receivedAtMs' | 'index'>
