import type { Folder } from './entry.ts'

/** How often the deltas of a mailbox were made invalid, folder by folder; what was given out before is too old. */
export interface Generations {
  /** Of a folder's messages, or of the folders themselves. */
  of(folder: Folder | undefined): number
  /** Makes the deltas of a folder too old, or all of the mailbox. */
  expire(folder?: Folder): void
}

/** Nothing made invalid yet. */
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
