import type { Folder } from './entry.ts'

/** How often a mailbox's deltas were invalidated, by folder; earlier tokens are too old. */
export interface Generations {
  /** Returns the generation of a folder's messages, or of the list of folders. */
  of(folder: Folder | undefined): number
  /** Makes the deltas of a folder too old, or all of the mailbox. */
  expire(folder?: Folder): void
}

/** Creates generations without invalidations. */
export function createGenerations(): Generations {
  const own = new Map<Folder, number>()
  let all = 0
  return {
    of: folder => all + (folder ? (own.get(folder) ?? 0) : 0),
    expire(folder) {
      if (folder) own.set(folder, (own.get(folder) ?? 0) + 1)
      else all += 1
    },
  }
}
