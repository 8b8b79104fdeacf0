/** A message's metadata, known without its content. */
export interface Entry {
  /** Its position in the order of delivery. */
  index: number
  id: string
  threadId: string
  labelIds: readonly string[]
  receivedAtMs: number
  /** The id of its last history record. */
  historyId: number
  deleted: boolean
}

/** Compares newest first; messages of the same moment by position. */
export function newerFirst(a: Entry, b: Entry): number {
  return b.receivedAtMs - a.receivedAtMs || b.index - a.index
}
