import { factsReader, type MailFacts } from '../facts.ts'
import { memoryMail, type NewMail, type SimMail, type SimMailbox } from '../mailbox.ts'
import { type Part, parseMime } from '../mime.ts'
import { keepRecent } from '../recent.ts'
import { groupThreads } from '../threads.ts'
import {
  type ChangeLog,
  createSequence,
  type FolderChange,
  type MessageChange,
  openLog,
  type Sequence,
} from './change-log.ts'
import { type Contents, openContents } from './contents.ts'
import type { Entry, Folder, MarkChange } from './entry.ts'
import { type Folders, openFolders } from './folders.ts'
import { createGenerations, type Generations } from './generations.ts'
import { type Ids, idsOf } from './ids.ts'
import { placingOf } from './placing.ts'

/** A parsed mail: its bytes and its parts. */
export interface Content {
  raw: Buffer
  root: Part
}

/** One simulated Outlook mailbox. The same mailbox has the same ids whenever it is loaded. */
export interface Account {
  address: string
  ids: Ids
  folders: Folders
  messages: Contents
  sequence: Sequence
  changes: ChangeLog<MessageChange>
  folderChanges: ChangeLog<FolderChange>
  generations: Generations
  /** Returns an existing message by either of its ids. */
  find(id: string): Entry | undefined
  content(entry: Entry): Promise<Content>
  /** Adds a mail to the given folder, else to the folder that its labels name. */
  deliver(mail: NewMail, folder?: Folder): Entry
  /** Changes marks; skips a message that already matches. */
  mark(entry: Entry, change: MarkChange): void
  /** Moves a message, which changes its id; skips a message that is already there. */
  move(entry: Entry, to: Folder): void
  /** Deletes permanently. */
  remove(entry: Entry): void
  renameFolder(folder: Folder, displayName: string): void
  moveFolder(folder: Folder, parent: Folder): void
  /** Deletes a folder and its content permanently. */
  removeFolder(folder: Folder): void
}

const CACHE_BYTES = 16 << 20

/**
 * Opens a mailbox as an Outlook mailbox. Reads the facts of its mails, not their bytes; `now` dates later
 * changes.
 */
export function openAccount(mailbox: SimMailbox, now: () => number): Account {
  const ids = idsOf(mailbox.address)
  const sequence = createSequence()
  const changes = openLog<MessageChange>(sequence, now)
  const folderChanges = openLog<FolderChange>(sequence, now)
  let loading = true
  const folders = openFolders(ids, folder => {
    if (!loading) folderChanges.record({ folder, kind: 'created' })
  })
  const messages = openContents()
  const delivered: SimMail[] = []
  const readFacts = factsReader()
  const grouping = groupThreads()
  const kept = keepRecent<Content>({ limit: CACHE_BYTES, weigh: content => content.raw.length })

  const add = (mail: MailFacts, given?: Folder) => {
    const index = messages.size()
    const { folder: named, ...marks } = placingOf(mail.labels)
    const folder = given ?? (typeof named === 'string' ? folders.wellKnown(named) : folders.atPath(named))
    const { receivedAtMs } = mail
    const modifiedAtMs = loading ? receivedAtMs : now()
    // A conversation keeps the number of its first mail, even if later mails join two conversations.
    const conversation = messages.at(grouping.firstOf(index))?.conversation ?? index
    const entry: Entry = {
      index,
      folder,
      moves: 0,
      receivedAtMs,
      modifiedAtMs,
      conversation,
      ...marks,
      version: 0,
      deleted: false,
    }
    if (given) entry.isDraft = given.wellKnown === 'drafts'
    messages.add(entry)
    return entry
  }

  const touch = (entry: Entry) => {
    entry.version += 1
    entry.modifiedAtMs = now()
  }

  const note = (entry: Entry, kind: MessageChange['kind']) => {
    changes.record({ entry, kind, folder: entry.folder, to: entry.folder, moves: entry.moves })
  }

  const remove = (entry: Entry) => {
    entry.deleted = true
    messages.drop(entry)
    note(entry, 'deleted')
  }

  const removeFolder = (folder: Folder) => {
    for (const child of folders.children(folder)) removeFolder(child)
    for (const entry of messages.newestFirst(folder)) remove(entry)
    folder.deleted = true
    folderChanges.record({ folder, kind: 'deleted' })
  }

  for (let index = 0; index < mailbox.size; index++) grouping.add(mailbox.message(index), { merging: true })
  for (let index = 0; index < mailbox.size; index++) add(mailbox.message(index))
  loading = false

  return {
    address: mailbox.address,
    ids,
    folders,
    messages,
    sequence,
    changes,
    folderChanges,
    generations: createGenerations(),
    find(id) {
      const named = ids.readMessage(id)
      const entry = named && messages.at(named.index)
      if (!entry || entry.deleted) return undefined
      return named.moves === undefined || named.moves === entry.moves ? entry : undefined
    },
    content(entry) {
      const mail = delivered[entry.index - mailbox.size] ?? mailbox.message(entry.index)
      return kept.get(String(entry.index), async () => {
        const raw = await mail.read()
        return { raw, root: parseMime(raw.toString('latin1')) }
      })
    },
    deliver(mail, folder) {
      const stored = memoryMail(mail, readFacts)
      delivered.push(stored)
      grouping.add(stored, { merging: false })
      const entry = add(stored, folder)
      note(entry, 'created')
      return entry
    },
    mark(entry, change) {
      const { isRead = entry.isRead } = change
      const before = { flagged: entry.flagged, important: entry.important, categories: entry.categories }
      const after = {
        flagged: change.flagged ?? before.flagged,
        important: change.important ?? before.important,
        categories: change.categories ?? before.categories,
      }
      const changed = JSON.stringify(after) !== JSON.stringify(before)
      if (!changed && isRead === entry.isRead) return
      Object.assign(entry, after, { isRead })
      touch(entry)
      note(entry, changed ? 'updated' : 'read')
    },
    move(entry, to) {
      const { folder, moves } = entry
      if (folder === to) return
      messages.move(entry, to)
      entry.moves += 1
      touch(entry)
      changes.record({ entry, kind: 'moved', folder, to, moves })
    },
    remove,
    renameFolder(folder, displayName) {
      folder.displayName = displayName
      folderChanges.record({ folder, kind: 'updated' })
    },
    moveFolder(folder, parent) {
      folder.parent = parent
      folderChanges.record({ folder, kind: 'updated' })
    },
    removeFolder,
  }
}
