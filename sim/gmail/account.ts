import { createHash } from 'node:crypto'
import { factsReader, type MailFacts } from '../facts.ts'
import { SYSTEM_LABELS, systemLabel } from '../labels.ts'
import { memoryMail, type NewMail, type SimMail, type SimMailbox } from '../mailbox.ts'
import { type Part, parseMime } from '../mime.ts'
import { snippetOf } from '../snippet.ts'
import { keepRecent } from './recent.ts'
import { groupThreads } from './threads.ts'

/** A message as Gmail knows it before its content is read. */
export interface Entry {
  index: number
  id: string
  threadId: string
  labelIds: readonly string[]
  receivedAtMs: number
  historyId: number
}

/** A mail that was read: its bytes, its parts and its snippet (HTML-escaped, as Gmail gives it). */
interface Content {
  raw: Buffer
  root: Part
  snippet: string
}

/** One simulated mailbox with Gmail's ids on it. The same mailbox loaded again has the same ids; mails appended to it continue its history. */
export interface Account {
  address: string
  /** In delivery order, which is the order of their history ids. */
  entries(): readonly Entry[]
  /** By time received, newest first. */
  newestFirst(): readonly Entry[]
  find(id: string): Entry | undefined
  /** The messages of a thread, oldest first; empty where there is none. */
  thread(threadId: string): readonly Entry[]
  /** Threads by id, in the order of their first delivery. */
  threads(): ReadonlyMap<string, readonly Entry[]>
  /** Label ids and their names, system labels first. */
  labels(): ReadonlyMap<string, string>
  content(entry: Entry): Promise<Content>
  /** The mailbox's current history id, and the oldest that history can still be listed from. */
  history(): { currentId: number; oldestId: number }
  deliver(mail: NewMail): Entry
  /** Forgets the history: every history id given out so far is too old from now on. */
  expireHistory(): void
}

const FIRST_HISTORY_ID = 1000
const CACHE_BYTES = 16 << 20
const TIME_DIGITS = 11
const SERIAL_BITS = 20
// Odd, so that successive positions of one moment never meet within 2^20.
const SERIAL_STEP = 0x9e375

/** Puts Gmail's ids on a mailbox. Reads the facts of its mails, not their bytes. */
export function openAccount(mailbox: SimMailbox): Account {
  const entries: Entry[] = []
  const byId = new Map<string, Entry>()
  const byThread = new Map<string, Entry[]>()
  const labelNames = new Map<string, string>(SYSTEM_LABELS.map(label => [label, label]))
  const labelIds = new Map<string, string>()
  const delivered: SimMail[] = []
  const readFacts = factsReader()
  const grouping = groupThreads()
  const contents = keepRecent<Content>({ limit: CACHE_BYTES, weigh: content => content.raw.length })
  const salt = createHash('sha256').update(mailbox.address).digest().readUInt32BE()
  let currentId = FIRST_HISTORY_ID
  let oldestId = FIRST_HISTORY_ID
  let sorted: readonly Entry[] | undefined

  const labelId = (label: string) => {
    const known = systemLabel(label) ?? labelIds.get(label)
    if (known !== undefined) return known
    const id = `Label_${labelIds.size + 1}`
    labelIds.set(label, id)
    labelNames.set(id, label)
    return id
  }

  const idFor = (mail: MailFacts, index: number) => {
    const time = Math.min(mail.receivedAtMs, 16 ** TIME_DIGITS - 1)
    const serial = (salt + index * SERIAL_STEP) % 2 ** SERIAL_BITS
    return hex(time, TIME_DIGITS) + hex(serial, SERIAL_BITS / 4)
  }

  const add = (mail: MailFacts) => {
    const index = entries.length
    const id = idFor(mail, index)
    // A thread bears the id of its first message.
    const first = entries[grouping.firstOf(index)]
    currentId += 1
    const entry: Entry = {
      index,
      id,
      threadId: first?.id ?? id,
      labelIds: mail.labels.map(labelId),
      receivedAtMs: mail.receivedAtMs,
      historyId: currentId,
    }
    entries.push(entry)
    byId.set(id, entry)
    const thread = byThread.get(entry.threadId)
    if (thread) thread.push(entry)
    else byThread.set(entry.threadId, [entry])
    return entry
  }

  for (let index = 0; index < mailbox.size; index++) grouping.add(mailbox.message(index), { merging: true })
  for (let index = 0; index < mailbox.size; index++) add(mailbox.message(index))

  return {
    address: mailbox.address,
    entries: () => entries,
    find: id => byId.get(id),
    thread: threadId =>
      [...(byThread.get(threadId) ?? [])].sort((a, b) => a.receivedAtMs - b.receivedAtMs || a.index - b.index),
    threads: () => byThread,
    labels: () => labelNames,
    history: () => ({ currentId, oldestId }),
    newestFirst() {
      sorted ??= [...entries].sort((a, b) => b.receivedAtMs - a.receivedAtMs || b.index - a.index)
      return sorted
    },
    content(entry) {
      const mail = delivered[entry.index - mailbox.size] ?? mailbox.message(entry.index)
      return contents.get(entry.id, async () => parse(await mail.read()))
    },
    deliver(mail) {
      const stored = memoryMail(mail, readFacts)
      delivered.push(stored)
      grouping.add(stored, { merging: false })
      sorted = undefined
      return add(stored)
    },
    expireHistory() {
      // One further, so that even a cursor that is up to date is too old.
      currentId += 1
      oldestId = currentId
    },
  }
}

function parse(raw: Buffer): Content {
  const root = parseMime(raw.toString('latin1'))
  return { raw, root, snippet: snippetOf(root) }
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0')
}
