import { type Entry, type Folder, type ListPosition, newerFirst } from './entry.ts'

/** The messages of a mailbox by folder. */
export interface Contents {
  add(entry: Entry): void
  /** The number of messages ever delivered. */
  size(): number
  /** Returns the message delivered at a position, even if it was deleted later. */
  at(index: number): Entry | undefined
  /** Returns the messages of a folder, or of all, by time received, newest first. */
  newestFirst(folder?: Folder): readonly Entry[]
  /** Counts the messages of a folder. */
  counts(folder: Folder): { total: number; unread: number }
  move(entry: Entry, to: Folder): void
  drop(entry: Entry): void
}

/** Creates empty contents. */
export function openContents(): Contents {
  const all: Entry[] = []
  const byFolder = new Map<Folder, Set<Entry>>()
  // Sorted on demand, because a mailbox may hold hundreds of thousands.
  const sorted = new Map<Folder | undefined, readonly Entry[]>()

  const inFolder = (folder: Folder) => {
    const entries = byFolder.get(folder) ?? new Set()
    byFolder.set(folder, entries)
    return entries
  }
  const changed = (...folders: readonly Folder[]) => {
    for (const folder of [undefined, ...folders]) sorted.delete(folder)
  }

  return {
    add(entry) {
      all.push(entry)
      inFolder(entry.folder).add(entry)
      changed(entry.folder)
    },
    size: () => all.length,
    at: index => all[index],
    newestFirst(folder) {
      const known = sorted.get(folder)
      if (known) return known
      const entries = folder ? [...inFolder(folder)] : all.filter(({ deleted }) => !deleted)
      entries.sort(newerFirst)
      sorted.set(folder, entries)
      return entries
    },
    counts(folder) {
      const entries = inFolder(folder)
      let unread = 0
      for (const { isRead } of entries) if (!isRead) unread += 1
      return { total: entries.size, unread }
    },
    move(entry, to) {
      const { folder } = entry
      inFolder(folder).delete(entry)
      entry.folder = to
      inFolder(to).add(entry)
      changed(folder, to)
    },
    drop(entry) {
      inFolder(entry.folder).delete(entry)
      changed(entry.folder)
    },
  }
}

/** Returns the position of the first message after a place in a newest-first list. */
export function firstBehind(entries: readonly Entry[], place: ListPosition): number {
  let [from, to] = [0, entries.length]
  while (from < to) {
    const middle = (from + to) >>> 1
    const entry = entries[middle]
    if (entry && newerFirst(entry, place) <= 0) from = middle + 1
    else to = middle
  }
  return from
}
