import { createHash } from 'node:crypto'
import { factsReader, type MailFacts } from '../facts.ts'
import { memoryMail, type NewMail, type SimMail, type SimMailbox } from '../mailbox.ts'
import { type Part, parseMime } from '../mime.ts'
import { keepRecent } from '../recent.ts'
import { snippetOf } from '../snippet.ts'
import { groupThreads } from '../threads.ts'
import { type Entry, newerFirst } from './entry.ts'
import { type Change, type HistoryLog, openHistory } from './history-log.ts'
import { type LabelBook, openLabelBook } from './label-book.ts'

/** A parsed mail: its bytes, its parts and its snippet (HTML-escaped, as Gmail gives it). */
interface Content {
  raw: Buffer
  root: Part
  snippet: string
}

/** Label ids to add to messages and to remove. */
export interface LabelChange {
  add: readonly string[]
  remove: readonly string[]
}

/**
 * One simulated mailbox with Gmail ids. The same mailbox has the same ids whenever it is loaded; appended
 * mails continue its history.
 */
export interface Account {
  address: string
  /** Returns the existing messages in delivery order. */
  entries(): readonly Entry[]
  /** Returns the existing messages by time received, newest first. */
  newestFirst(): readonly Entry[]
  find(id: string): Entry | undefined
  /** Returns the message delivered at a position, even if it was deleted later. */
  at(index: number): Entry | undefined
  /** Returns the messages of a thread, oldest first; empty if there is none. */
  thread(threadId: string): readonly Entry[]
  /** Returns threads by id, in order of first delivery. */
  threads(): ReadonlyMap<string, readonly Entry[]>
  labels: LabelBook
  history: HistoryLog
  content(entry: Entry): Promise<Content>
  /** Caches by message id what a search reads of each message. */
  searched: ReturnType<typeof keepRecent<{ sizeBytes: number }>>
  /** Adds a mail to the named thread, else to the one it answers; throws if there is no such thread. */
  deliver(mail: NewMail, options?: { threadId?: string | undefined }): Entry
  /** Changes labels in one history record; skips messages that already match. */
  modify(entries: readonly Entry[], change: LabelChange): void
  /** Deletes permanently, in one history record. */
  remove(entries: readonly Entry[]): void
  /** Deletes a label and removes it from all messages, in one history record. */
  removeLabel(id: string): void
  /** Records an unspecified change of a message: a record with only `id` and `messages`. */
  touch(entry: Entry): void
}

const CACHE_BYTES = 16 << 20
const SEARCHED_BYTES = 32 << 20
const TIME_DIGITS = 11
const SERIAL_BITS = 20
// Odd, so that successive positions of one moment never collide within 2^20.
const SERIAL_STEP = 0x9e375

/**
 * Opens a mailbox with Gmail ids. Reads the facts of its mails, not their bytes; `now` dates later changes.
 */
export function openAccount(mailbox: SimMailbox, now: () => number): Account {
  const all: Entry[] = []
  const byId = new Map<string, Entry>()
  const byThread = new Map<string, Entry[]>()
  const labels = openLabelBook()
  const history = openHistory()
  const delivered: SimMail[] = []
  const readFacts = factsReader()
  const grouping = groupThreads()
  const contents = keepRecent<Content>({ limit: CACHE_BYTES, weigh: content => content.raw.length })
  const searched = keepRecent<{ sizeBytes: number }>({ limit: SEARCHED_BYTES, weigh: one => one.sizeBytes })
  const salt = createHash('sha256').update(mailbox.address).digest().readUInt32BE()
  let present: readonly Entry[] | undefined
  let sorted: readonly Entry[] | undefined

  const idFor = (mail: MailFacts, index: number) => {
    const time = Math.min(mail.receivedAtMs, 16 ** TIME_DIGITS - 1)
    const serial = (salt + index * SERIAL_STEP) % 2 ** SERIAL_BITS
    return hex(time, TIME_DIGITS) + hex(serial, SERIAL_BITS / 4)
  }

  const add = (mail: MailFacts) => {
    const index = all.length
    const id = idFor(mail, index)
    // A thread has the id of its first message.
    const threadId = all[grouping.firstOf(index)]?.threadId ?? id
    const labelIds = mail.labels.map(labels.idOf)
    const { receivedAtMs } = mail
    const entry: Entry = { index, id, threadId, labelIds, receivedAtMs, historyId: 0, deleted: false }
    all.push(entry)
    byId.set(id, entry)
    const thread = byThread.get(threadId)
    if (thread) thread.push(entry)
    else byThread.set(threadId, [entry])
    present = sorted = undefined
    return entry
  }

  const drop = (entry: Entry) => {
    entry.deleted = true
    byId.delete(entry.id)
    const rest = (byThread.get(entry.threadId) ?? []).filter(other => other !== entry)
    if (rest.length > 0) byThread.set(entry.threadId, rest)
    else byThread.delete(entry.threadId)
    present = sorted = undefined
  }

  const record = (changes: readonly Change[]) => {
    if (changes.length > 0) history.record(changes, now())
  }

  for (let index = 0; index < mailbox.size; index++) grouping.add(mailbox.message(index), { merging: true })
  for (let index = 0; index < mailbox.size; index++) history.load(add(mailbox.message(index)))

  const contentOf = (entry: Entry) => {
    const mail = delivered[entry.index - mailbox.size] ?? mailbox.message(entry.index)
    return contents.get(entry.id, async () => parse(await mail.read()))
  }

  return {
    searched,
    address: mailbox.address,
    labels,
    history,
    entries() {
      present ??= all.filter(entry => !entry.deleted)
      return present
    },
    newestFirst() {
      sorted ??= all.filter(entry => !entry.deleted).sort(newerFirst)
      return sorted
    },
    find: id => byId.get(id),
    at: index => all[index],
    thread: threadId => [...(byThread.get(threadId) ?? [])].sort((a, b) => newerFirst(b, a)),
    threads: () => byThread,
    content: contentOf,
    deliver(mail, { threadId } = {}) {
      const joined = threadId === undefined ? undefined : byThread.get(threadId)?.[0]?.index
      if (threadId !== undefined && joined === undefined)
        throw new Error(`${mailbox.address} has no thread ${threadId}`)
      const stored = memoryMail(mail, readFacts)
      delivered.push(stored)
      grouping.add(stored, { merging: false, joined })
      const entry = add(stored)
      record([{ entry, kind: 'messageAdded', labelIds: [] }])
      // Parsed now, so that the first call that asks for it is not slower than the others.
      contentOf(entry).catch(() => undefined)
      return entry
    },
    modify(entries, { add: wanted, remove: unwanted }) {
      record(entries.flatMap(entry => relabel(entry, { add: wanted, remove: unwanted })))
    },
    remove(entries) {
      for (const entry of entries) drop(entry)
      record(entries.map(entry => ({ entry, kind: 'messageDeleted', labelIds: [] })))
    },
    removeLabel(id) {
      labels.remove(id)
      record(all.flatMap(entry => (entry.deleted ? [] : relabel(entry, { add: [], remove: [id] }))))
    },
    touch: entry => record([{ entry, kind: undefined, labelIds: [] }]),
  }
}

function relabel(entry: Entry, change: LabelChange): Change[] {
  const added = change.add.filter(label => !entry.labelIds.includes(label))
  const removed = change.remove.filter(label => entry.labelIds.includes(label))
  entry.labelIds = [...entry.labelIds.filter(label => !removed.includes(label)), ...added]
  return [
    ...(added.length === 0 ? [] : [{ entry, kind: 'labelAdded' as const, labelIds: added }]),
    ...(removed.length === 0 ? [] : [{ entry, kind: 'labelRemoved' as const, labelIds: removed }]),
  ]
}

function parse(raw: Buffer): Content {
  const root = parseMime(raw.toString('latin1'))
  return { raw, root, snippet: snippetOf(root) }
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0')
}
