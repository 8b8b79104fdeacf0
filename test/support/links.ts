import { createHash } from 'node:crypto'
import type { FolderFault, Links } from '../../shared/provider/links.ts'

/** An adapter's stored links, in memory; `lose` forgets some of them, as a full Redis may. */
export function heldLinks(): Links & { lose(): void; size(): number } {
  const texts = new Map<string, string>()
  const faults = new Map<string, FolderFault>()
  let folders: string | undefined
  return {
    keep: async given =>
      given.map(text => {
        const name = createHash('sha256').update(text).digest('base64url').slice(0, 16)
        texts.set(name, text)
        return name
      }),
    read: async names =>
      new Map(
        names.flatMap((name): [string, string][] => {
          const text = texts.get(name)
          return text === undefined ? [] : [[name, text]]
        }),
      ),
    retire: async () => undefined,
    folders: async () => folders,
    async keepFolders(text) {
      folders = text
    },
    faults: async () => new Map(faults),
    async noteFaults(changes) {
      for (const [folder, fault] of changes) {
        if (fault) faults.set(folder, fault)
        else faults.delete(folder)
      }
    },
    lose() {
      faults.clear()
      texts.clear()
      folders = undefined
    },
    size: () => texts.size,
  }
}
