import type { Folder } from './entry.ts'
import { conflicting, GraphError } from './error.ts'
import type { Ids } from './ids.ts'

/** The folders of a mailbox. */
export interface Folders {
  /** Returns the existing folders in order of creation. */
  all(): readonly Folder[]
  /** Finds a folder by id, or by well-known name in any case. */
  find(idOrName: string): Folder | undefined
  at(index: number): Folder | undefined
  wellKnown(name: string): Folder
  /** Returns the folder at a path of names below the root, and creates missing ones. */
  atPath(names: readonly string[]): Folder
  children(parent: Folder): readonly Folder[]
  /** Throws a 409 if the name is taken there. */
  create(displayName: string, parent: Folder): Folder
}

// learn.microsoft.com/graph/api/resources/mailfolder; names as in an English mailbox.
const WELL_KNOWN: readonly [string, string, Partial<Folder>?][] = [
  ['msgfolderroot', 'Top of Information Store'],
  ['inbox', 'Inbox'],
  ['drafts', 'Drafts'],
  ['sentitems', 'Sent Items'],
  ['deleteditems', 'Deleted Items'],
  ['junkemail', 'Junk Email'],
  ['archive', 'Archive'],
  ['outbox', 'Outbox'],
  ['conversationhistory', 'Conversation History'],
  ['syncissues', 'Sync Issues', { hidden: true }],
  // Beside the root, in no list.
  ['recoverableitemsdeletions', 'Deletions', { parent: undefined }],
  ['searchfolders', 'Finder', { parent: undefined }],
]

// Well-known folders that not every mailbox has.
const ABSENT = ['clutter', 'conflicts', 'localfailures', 'recoverableitemsroot', 'scheduled', 'serverfailures']

/** Creates the folders of every mailbox; calls `made` for each later folder. */
export function openFolders(ids: Ids, made: (folder: Folder) => void): Folders {
  const folders: Folder[] = []

  const add = (displayName: string, parent: Folder | undefined, settings: Partial<Folder> = {}): Folder => {
    const index = folders.length
    const folder = {
      index,
      id: ids.folder(index),
      displayName,
      parent,
      wellKnown: undefined,
      hidden: false,
      deleted: false,
    }
    folders.push(Object.assign(folder, settings))
    return folder
  }

  for (const [wellKnown, displayName, settings] of WELL_KNOWN) add(displayName, folders[0], { wellKnown, ...settings })

  const present = () => folders.filter(({ deleted }) => !deleted)
  const children = (parent: Folder) => present().filter(folder => folder.parent === parent)
  const childNamed = (parent: Folder, name: string) =>
    children(parent).find(({ displayName }) => displayName.toLowerCase() === name.toLowerCase())

  const wellKnown = (name: string) => {
    const folder = folders.find(one => one.wellKnown === name)
    if (!folder) throw new Error(`there is no folder called ${name}`)
    return folder
  }

  const create = (displayName: string, parent: Folder) => {
    if (childNamed(parent, displayName)) throw conflicting('A folder with the specified name already exists.')
    const folder = add(displayName, parent)
    made(folder)
    return folder
  }

  return {
    all: present,
    find(idOrName) {
      const named = folders.find(({ wellKnown: name }) => name === idOrName.toLowerCase())
      if (named) return named
      const index = ids.readFolder(idOrName)
      const folder = index === undefined ? undefined : folders[index]
      return folder?.deleted ? undefined : folder
    },
    at: index => folders[index],
    wellKnown,
    atPath(names) {
      return names.reduce<Folder>(
        (parent, name) => childNamed(parent, name) ?? create(name, parent),
        wellKnown('msgfolderroot'),
      )
    },
    children,
    create,
  }
}

/** Returns the folder in the path; throws a 404 if there is none, a 400 if it cannot be an id. */
export function folderNamed(folders: Folders, idOrName: string): Folder {
  const folder = folders.find(idOrName)
  if (folder) return folder
  if (ABSENT.includes(idOrName.toLowerCase()))
    throw new GraphError(404, 'ErrorFolderNotFound', 'The specified folder could not be found in the store.')
  if (/^[\w-]{80,}={0,2}$/.test(idOrName))
    throw new GraphError(
      404,
      'ErrorItemNotFound',
      'The specified object was not found in the store., The process failed to get the correct properties.',
    )
  throw new GraphError(400, 'ErrorInvalidIdMalformed', 'Id is malformed.')
}
