/** A message as Gmail knows it before its content is read. */
export interface Entry {
  /** Its position in the order of delivery. */
  index: number
  id: string
  threadId: string
  labelIds: readonly string[]
  receivedAtMs: number
  /** The last history record that concerns it. */
  historyId: number
  deleted: boolean
}

/** Newest first; what was received at one moment, by its position. */
export function newerFirst(a: Entry, b: Entry): number {
  return b.receivedAtMs - a.receivedAtMs || b.index - a.index
}
