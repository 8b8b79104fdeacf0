import type { Account } from './account.ts'
import type { Entry, Folder, MarkChange } from './entry.ts'
import { badRequest, GraphError } from './error.ts'

/** How a mail is delivered: to a folder (id, well-known name, or a path of names), or as its Gmail labels say; when it was received (ms since 1970). */
export interface GraphDelivery {
  folder?: string | undefined
  labels?: readonly string[] | undefined
  receivedAt?: number | undefined
}

/** What happens in a mailbox from outside. Messages are named by either of their ids, and named back by the immutable one; ids that are unknown throw. */
export interface GraphHandle {
  deliver(raw: Buffer | string, options?: GraphDelivery): { id: string; conversationId: string }
  /** The immutable ids of its messages, newest first, of one folder or of all. */
  ids(folder?: string): string[]
  /** A message's usual id now: another after each move. */
  usualId(id: string): string
  mark(id: string, change: MarkChange): void
  /** Moves messages to a folder: an id, a well-known name, or a path of names such as `Projects/Rome`, which is made where it is missing. */
  move(to: string, ...ids: readonly string[]): void
  /** Deletes for ever. */
  delete(...ids: readonly string[]): void
  /** Makes a folder at a path of names, and answers with its id. */
  createFolder(path: string): string
  renameFolder(folder: string, displayName: string): void
  moveFolder(folder: string, parent: string): void
  /** Deletes a folder for ever, with all that is in it; throws for one that every mailbox has. */
  deleteFolder(folder: string): void
  /** The id of a folder. */
  folderId(folder: string): string
  /** Makes delta tokens given out so far too old, of one folder's messages or of all. */
  expireDelta(folder?: string): void
}

/** The handle of an account; `now` dates what is delivered without a date. */
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
