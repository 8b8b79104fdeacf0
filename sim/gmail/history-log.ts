import type { Entry } from './entry.ts'

/** The kinds of change in a history. */
export const CHANGE_KINDS = ['messageAdded', 'messageDeleted', 'labelAdded', 'labelRemoved'] as const
export type ChangeKind = (typeof CHANGE_KINDS)[number]

/** A change of a message; without a kind it is unspecified. */
export interface Change {
  entry: Entry
  kind: ChangeKind | undefined
  /** The labels that were added or removed. */
  labelIds: readonly string[]
}

/** Changes made together. */
export interface HistoryRecord {
  id: number
  /** The time in ms since 1970; 0 for the initial content. */
  atMs: number
  changes: readonly Change[]
}

/** The history of a mailbox. Its ids rise in steps of two to ten, the same for the same changes. */
export interface HistoryLog {
  currentId(): number
  /** Returns the newest id for a reader who sees only changes up to then. */
  visibleId(untilMs: number): number
  /** Returns the oldest id from which history can be listed. */
  oldestId(): number
  /** Gives the next id to an initial message, without notification. */
  load(entry: Entry): void
  /** Records changes, marks their messages with the new id, and notifies the listeners. */
  record(changes: readonly Change[], atMs: number): HistoryRecord
  /** Returns records after an id, oldest first. */
  after(id: number): Iterable<HistoryRecord>
  /** Expires all existing ids. */
  expire(): void
  listen(listener: (record: HistoryRecord) => void): void
}

const FIRST_ID = 1000

/** Creates a history without records. */
export function openHistory(): HistoryLog {
  // Initial messages get a record only when listed, because a mailbox may hold hundreds of thousands.
  const loaded: { id: number; entry: Entry }[] = []
  const records: HistoryRecord[] = []
  const listeners: ((record: HistoryRecord) => void)[] = []
  let steps = 0
  let currentId = FIRST_ID
  let oldestId = FIRST_ID

  const nextId = () => {
    steps += 1
    currentId += 2 + ((steps * 37) % 9)
    return currentId
  }

  return {
    currentId: () => currentId,
    visibleId(untilMs) {
      const shown = records.findLastIndex(({ atMs }) => atMs <= untilMs)
      if (shown === records.length - 1) return currentId
      return Math.max(records[shown]?.id ?? loaded.at(-1)?.id ?? FIRST_ID, oldestId)
    },
    oldestId: () => oldestId,
    load(entry) {
      entry.historyId = nextId()
      loaded.push({ id: entry.historyId, entry })
    },
    record(changes, atMs) {
      const record = { id: nextId(), atMs, changes }
      for (const { entry } of changes) entry.historyId = record.id
      records.push(record)
      for (const listener of listeners) listener(record)
      return record
    },
    *after(id) {
      for (let at = firstAfter(loaded, id); at < loaded.length; at++) {
        const one = loaded[at]
        if (one) yield { id: one.id, atMs: 0, changes: [{ entry: one.entry, kind: 'messageAdded', labelIds: [] }] }
      }
      for (let at = firstAfter(records, id); at < records.length; at++) {
        const record = records[at]
        if (record) yield record
      }
    },
    expire() {
      // One further, so that even a current cursor is too old.
      oldestId = nextId()
    },
    listen(listener) {
      listeners.push(listener)
    },
  }
}

function firstAfter(sorted: readonly { id: number }[], id: number): number {
  let [from, to] = [0, sorted.length]
  while (from < to) {
    const middle = (from + to) >>> 1
    if ((sorted[middle]?.id ?? 0) <= id) from = middle + 1
    else to = middle
  }
  return from
}
