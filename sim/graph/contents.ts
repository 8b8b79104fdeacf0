import { type Entry, type Folder, newerFirst, type Place } from './entry.ts'

/** Which messages lie where. */
export interface Contents {
  add(entry: Entry): void
  /** How many there ever were. */
  size(): number
  /** The message delivered at a position, even if it has been deleted since. */
  at(index: number): Entry | undefined
  /** What is in a folder, or in all, by time received, newest first. */
  newestFirst(folder?: Folder): readonly Entry[]
  /** How much is in a folder. */
  counts(folder: Folder): { total: number; unread: number }
  move(entry: Entry, to: Folder): void
  drop(entry: Entry): void
}

/** No messages yet. */
export function openContents(): Contents {
  const all: Entry[] = []
  const byFolder = new Map<Folder, Set<Entry>>()
  // Sorted when asked for: a mailbox may hold hundreds of thousands.
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

/** The position of the first message behind a place in a list that is newest first. */
export function firstBehind(entries: readonly Entry[], place: Place): number {
  let [from, to] = [0, entries.length]
  while (from < to) {
    const middle = (from + to) >>> 1
    const entry = entries[middle]
    if (entry && newerFirst(entry, place) <= 0) from = middle + 1
    else to = middle
  }
  return from
}
