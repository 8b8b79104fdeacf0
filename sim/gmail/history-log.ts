import type { Entry } from './entry.ts'

/** The kinds of change that history tells apart. */
export const CHANGE_KINDS = ['messageAdded', 'messageDeleted', 'labelAdded', 'labelRemoved'] as const
export type ChangeKind = (typeof CHANGE_KINDS)[number]

/** What happened to a message; without a kind it is only known that something did. */
export interface Change {
  entry: Entry
  kind: ChangeKind | undefined
  /** The labels that were added or removed. */
  labelIds: readonly string[]
}

/** What was done at once. */
export interface HistoryRecord {
  id: number
  /** When, in ms since 1970; 0 for what was there from the start. */
  atMs: number
  changes: readonly Change[]
}

/** The history of a mailbox. Its ids rise in steps of two to ten, the same for the same changes. */
export interface HistoryLog {
  currentId(): number
  /** The newest id that a reader sees who is told only of what was done until then. */
  visibleId(untilMs: number): number
  /** The oldest id that history can still be listed from. */
  oldestId(): number
  /** Gives the next id to a message that was there from the start; nobody is told. */
  load(entry: Entry): void
  /** Writes down what was done, marks its messages with the new id, and tells the listeners. */
  record(changes: readonly Change[], atMs: number): HistoryRecord
  /** Records after an id, oldest first. */
  after(id: number): Iterable<HistoryRecord>
  /** Forgets: every id given out so far is too old from now on. */
  expire(): void
  listen(listener: (record: HistoryRecord) => void): void
}

const FIRST_ID = 1000

/** A history without records. */
export function openHistory(): HistoryLog {
  // Loaded messages need no record of their own until they are listed: a mailbox may hold hundreds of thousands.
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
      // One further, so that even a cursor that is up to date is too old.
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
