import type { Account } from './account.ts'
import type { Entry, Folder, MarkChange } from './entry.ts'
import { badRequest, GraphError } from './error.ts'

/**
 * Delivery options: a folder (id, well-known name, or path of names), by default from Gmail labels, and the
 * time received (ms since 1970).
 */
export interface GraphDelivery {
  folder?: string | undefined
  labels?: readonly string[] | undefined
  receivedAt?: number | undefined
}

/**
 * Changes a mailbox from outside. Accepts either id of a message and returns the immutable one. Unknown ids
 * throw.
 */
export interface GraphHandle {
  deliver(raw: Buffer | string, options?: GraphDelivery): { id: string; conversationId: string }
  /** Returns the immutable ids of its messages, newest first, of one folder or of all. */
  ids(folder?: string): string[]
  /** Returns a message's usual id, which changes with each move. */
  usualId(id: string): string
  mark(id: string, change: MarkChange): void
  /**
   * Moves messages to a folder: an id, a well-known name, or a path of names such as `Projects/Rome`. Creates
   * a missing folder.
   */
  move(to: string, ...ids: readonly string[]): void
  /** Deletes permanently. */
  delete(...ids: readonly string[]): void
  /** Creates a folder at a path of names and returns its id. */
  createFolder(path: string): string
  renameFolder(folder: string, displayName: string): void
  moveFolder(folder: string, parent: string): void
  /** Deletes a folder and its content permanently; throws for a well-known one. */
  deleteFolder(folder: string): void
  /** Returns the id of a folder. */
  folderId(folder: string): string
  /** Makes existing delta tokens too old, of one folder's messages or of all. */
  expireDelta(folder?: string): void
}

/** Opens the handle of an account; `now` dates mail without a date. */
export function openHandle(account: Account, now: () => number): GraphHandle {
  const { folders, ids, messages } = account
  const immutable = ({ index }: Entry) => ids.immutable(index)

  const find = (id: string): Entry => {
    const entry = account.find(id)
    if (!entry) throw new GraphError(404, 'ErrorItemNotFound', `${account.address} has no message ${id}`)
    return entry
  }
  const existing = (named: string): Folder => {
    const folder = folders.find(named) ?? byPath(named)
    if (!folder) throw new GraphError(404, 'ErrorItemNotFound', `${account.address} has no folder ${named}`)
    return folder
  }
  const byPath = (path: string) =>
    namesOf(path).reduce<Folder | undefined>(
      (parent, name) => parent && folders.children(parent).find(({ displayName }) => displayName === name),
      folders.wellKnown('msgfolderroot'),
    )
  const made = (named: string) => folders.find(named) ?? folders.atPath(namesOf(named))

  return {
    deliver(raw, { folder, labels = ['INBOX', 'UNREAD'], receivedAt: receivedAtMs = now() } = {}) {
      const entry = account.deliver({ raw, labels, receivedAtMs }, folder === undefined ? undefined : made(folder))
      return { id: immutable(entry), conversationId: ids.conversation(entry.conversation) }
    },
    ids: folder => messages.newestFirst(folder === undefined ? undefined : existing(folder)).map(immutable),
    usualId(id) {
      const { index, moves } = find(id)
      return ids.message(index, moves)
    },
    mark: (id, change) => account.mark(find(id), change),
    move(to, ...moved) {
      const folder = made(to)
      for (const id of moved) account.move(find(id), folder)
    },
    delete(...gone) {
      for (const id of gone) account.remove(find(id))
    },
    createFolder: path => made(path).id,
    renameFolder: (folder, displayName) => account.renameFolder(existing(folder), displayName),
    moveFolder(named, parent) {
      const [folder, to] = [existing(named), existing(parent)]
      for (let above: Folder | undefined = to; above; above = above.parent)
        if (above === folder) throw badRequest('A folder cannot be moved into itself.', 'ErrorMoveCopyFailed')
      account.moveFolder(folder, to)
    },
    deleteFolder(named) {
      const folder = existing(named)
      if (folder.wellKnown !== undefined)
        throw badRequest('Distinguished folders cannot be deleted.', 'ErrorDeleteDistinguishedFolder')
      account.removeFolder(folder)
    },
    folderId: folder => existing(folder).id,
    expireDelta: folder => account.generations.expire(folder === undefined ? undefined : existing(folder)),
  }
}

function namesOf(path: string): string[] {
  return path.split('/').filter(name => name !== '')
}
