import { ownOf } from '../own.ts'
import type { Account } from './account.ts'
import type { Folder } from './entry.ts'

/** The selectable properties of a folder. */
export const FOLDER_PROPERTIES: readonly string[] = [
  'id',
  'displayName',
  'parentFolderId',
  'childFolderCount',
  'unreadItemCount',
  'totalItemCount',
  'isHidden',
]

/** Renders a folder with the selected properties, and always its id. */
export function renderFolder(
  folder: Folder,
  account: Account,
  select: readonly string[] | undefined,
): Record<string, unknown> {
  const { total, unread } = account.messages.counts(folder)
  const all: Record<string, unknown> = {
    displayName: folder.displayName,
    // The root is a folder's parent even when it is not listed itself.
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
