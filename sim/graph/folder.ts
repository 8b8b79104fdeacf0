import { ownOf } from '../own.ts'
import type { Account } from './account.ts'
import type { Folder } from './entry.ts'

/** The properties of a folder that can be selected. */
export const FOLDER_PROPERTIES: readonly string[] = [
  'id',
  'displayName',
  'parentFolderId',
  'childFolderCount',
  'unreadItemCount',
  'totalItemCount',
  'isHidden',
]

/** A folder with what was selected of it, and its id always. */
export function renderFolder(
  folder: Folder,
  account: Account,
  select: readonly string[] | undefined,
): Record<string, unknown> {
  const { total, unread } = account.messages.counts(folder)
  const all: Record<string, unknown> = {
    displayName: folder.displayName,
    // The root is said to be a folder's parent even where it is not listed itself.
    parentFolderId: (folder.parent ?? folder).id,
    childFolderCount: account.folders.children(folder).filter(({ hidden }) => !hidden).length,
    unreadItemCount: unread,
    totalItemCount: total,
    isHidden: folder.hidden,
  }
  const names = select ?? FOLDER_PROPERTIES
  return {
    id: folder.id,
    ...Object.fromEntries(names.flatMap(name => (Object.hasOwn(all, name) ? [[name, ownOf(all, name)]] : []))),
  }
}
