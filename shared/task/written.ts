import { UNSPACED } from '../body/lines.ts'
import type { Address, Attachment, Invite, Message } from '../message.ts'
import { cutSubject, shortened } from './room.ts'
import { fits, fitText, minus, NO_SIZE, plus, type Size, share, sizeOf } from './size.ts'
import type { TaskText } from './texts.ts'

/** What a message in a task leaves out of its mail; absent fields are 0. */
export interface Omissions {
  /** Words that stand in earlier messages, by their ids. */
  quotes?: { in: string; words: number }[]
  /** Characters of signatures and footers. */
  signature?: number
  /** Characters of the text, for the token budget; more may be missing where `note` says so. */
  text?: number
  /** Characters of HTML that readers of the mail do not see. */
  hidden?: number
  /** Senders and recipients, files, and events. */
  people?: number
  attachments?: number
  invites?: number
  /** Why the text of the mail was not read in full, and what else is not said of it. */
  note?: string
}

/** A message in a task; `truncated` where the mail has more text or recipients than written here. */
export interface WrittenMessage {
  id: string
  from: Address[]
  to: Address[]
  cc: Address[]
  date: string
  subject: string
  text: string
  truncated: boolean
  new: boolean
  omitted?: Omissions
  attachments?: Attachment[]
  invites?: Invite[]
  unreadable?: Message['unreadable']
}

// The fraction of the whole that each of these may take of one message, as a divisor.
const PEOPLE = 6
const FILES = 16
const INVITES = 16
const LONGEST_NOTE = 120
const UNNAMED = 'it has files, which the provider does not name'
const LONGEST_WORD = 60
const BLANK = /\s/
const LATEST_MS = Date.parse('9999-12-31T23:59:59.999Z')

/** Returns a function that writes a message with one of its texts, for a task of this size. */
export function messageWriter(message: Message, room: Size): (text: TaskText) => WrittenMessage {
  const head = headOf(message, room)
  const { hidden = 0 } = message.body ?? {}
  const note = noteOn(message)
  const isPart = message.body ? message.body.isPart === true : message.isPart === true
  return ({ text, missing, quotes, signature }) => {
    const omitted: Omissions = {
      ...(quotes.length > 0 ? { quotes: quotes.map(quote => ({ in: quote.in, words: quote.words })) } : {}),
      ...positive({ signature, text: missing, hidden, ...head.more }),
      ...(note === undefined ? {} : { note: note.slice(0, LONGEST_NOTE) }),
    }
    return {
      id: message.id,
      ...head.people,
      date: dateOf(message.date),
      subject: head.subject,
      text,
      truncated: head.isCut || isPart || missing > 0,
      // As long as `true` is not longer.
      new: false,
      ...(Object.keys(omitted).length > 0 ? { omitted } : {}),
      ...head.files,
      ...(message.unreadable === undefined ? {} : { unreadable: message.unreadable }),
    }
  }
}

/**
 * Returns a written message whose subject and text fit: the subject comes first, and the text takes the rest and may use all of the tokens. The
 * text ends with a word.
 */
export function cutMessage(message: WrittenMessage, tokens: number, left: Size): WrittenMessage {
  const within = (most: number, room: Size) => ({ ...room, tokens: Math.min(most, room.tokens) })
  const subject = fitText(message.subject, Number.POSITIVE_INFINITY, within(tokens / 2, left))
  const { omitted = {} } = message
  const most = { ...omitted, text: (omitted.text ?? 0) + message.text.length }
  const bare = sizeOf({ ...message, subject, text: '', truncated: true, omitted: most })
  const text = endAtWord(
    message.text,
    fitText(message.text, Number.POSITIVE_INFINITY, within(tokens, minus(left, bare))),
  )
  const missing = (omitted.text ?? 0) + message.text.length - text.length
  return {
    ...message,
    subject,
    text,
    truncated: true,
    ...(missing > 0 ? { omitted: { ...omitted, text: missing } } : {}),
  }
}

// A longer word, and one of a script without blanks between words, ends where it is cut.
function endAtWord(text: string, cut: string): string {
  if (cut.length === text.length || UNSPACED.test(text.slice(cut.length - 1, cut.length + 1))) return cut
  const least = Math.max(0, cut.length - LONGEST_WORD)
  for (let end = cut.length; end > least; end--)
    if (BLANK.test(text.slice(end, end + 1))) return cut.slice(0, end).trimEnd()
  return cut
}

/** Returns the size that every message in a task has at least. */
export function leastSize(): Size {
  const nobody = { from: [], to: [], cc: [] }
  return sizeOf({ id: '', ...nobody, date: dateOf(0), subject: '', text: '', truncated: true, new: true })
}

function noteOn({ body, hasFiles }: Message): string | undefined {
  const notes = [...(body?.note === undefined ? [] : [body.note]), ...(hasFiles ? [UNNAMED] : [])]
  return notes.length > 0 ? notes.join('; ') : undefined
}

function headOf(message: Message, room: Size) {
  const subject = cutSubject(message.subject, room)
  const named = namedIn(message, room)
  const files = firstThatFit(message.attachments ?? [], share(room, FILES))
  const invites = firstThatFit(message.invites ?? [], share(room, INVITES))
  return {
    subject,
    people: named.people,
    isCut: named.isCut || message.more?.people !== undefined || subject !== message.subject,
    files: {
      ...(files.length > 0 ? { attachments: files } : {}),
      ...(invites.length > 0 ? { invites } : {}),
    },
    more: {
      people: named.more + (message.more?.people ?? 0),
      attachments: (message.attachments?.length ?? 0) + (message.more?.attachments ?? 0) - files.length,
      invites: (message.invites?.length ?? 0) - invites.length,
    },
  }
}

function namedIn({ from, to, cc }: Message, room: Size) {
  let left = share(room, PEOPLE)
  let [isCut, isFull, more] = [false, false, 0]
  const people = (all: readonly Address[]) => {
    const written: Address[] = []
    for (const [place, person] of all.entries()) {
      if (isFull) {
        more += all.length - place
        break
      }
      const short = shortened(person, room)
      const size = short ? sizeOf(short) : NO_SIZE
      isFull = !fits(size, left)
      if (!short || isFull) more += 1
      else {
        isCut ||= short.name !== person.name
        left = minus(left, size)
        written.push(short)
      }
    }
    return written
  }
  const written = { from: people(from), to: people(to), cc: people(cc) }
  return { people: written, isCut: isCut || more > 0, more }
}

/** Returns the first values that fit into a room together. */
export function firstThatFit<T>(values: readonly T[], room: Size): T[] {
  let taken = NO_SIZE
  const end = values.findIndex(value => {
    taken = plus(taken, sizeOf(value))
    return !fits(taken, room)
  })
  return end === -1 ? [...values] : values.slice(0, end)
}

function positive<Name extends string>(counts: Readonly<Record<Name, number>>): Partial<Record<Name, number>> {
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => (count as number) > 0)) as Partial<
    Record<Name, number>
  >
}

function dateOf(ms: number): string {
  return new Date(Math.min(LATEST_MS, Math.max(0, ms))).toISOString()
}
