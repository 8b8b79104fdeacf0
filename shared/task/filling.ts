import { LONGEST_CAUSE } from '../mail/mail-class.ts'
import type { MailboxId } from '../mailbox.ts'
import type { Address, Attachment, Invite, Message, MessageId, ThreadId } from '../message.ts'
import {
  type CommonParts,
  createCommonParts,
  cutSubject,
  fits,
  fitText,
  minus,
  plus,
  type Size,
  shortened,
  sizeOf,
} from './room.ts'

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
  attachments?: Attachment[]
  invites?: Invite[]
  unreadable?: Message['unreadable']
}

/** The content of a thread's task. */
export interface Filling {
  /** Newest first. */
  messages: WrittenMessage[]
  common: CommonParts
  omitted: MessageId[]
  /** The next message does not fit. */
  isFull: boolean
  /** How many characters are left for messages. */
  left: number
}

/** The subject of a task, and its token budget. */
export interface TaskFrame {
  mailbox: MailboxId
  thread: ThreadId
  omitted: readonly MessageId[]
  tokens: number
  promptVersion: string
  timeZone: string
  labelsOf: (message: Message) => readonly string[]
}

const CHARACTERS_PER_TOKEN = 4
// A small token budget limits the texts but leaves room for senders and dates.
const LEAST_CHARACTERS = 4096
// Readers accept a mebibyte, and the envelope around a task needs part of it.
const MAX_BYTES = 960_000
// The fraction of the whole that one message's people, or the omitted ids, may take, as a divisor.
const PEOPLE_OF_A_MESSAGE = 8
const OMITTED = 16
const VERSION_LENGTH = 32
const LATEST_MS = Date.parse('9999-12-31T23:59:59.999Z')

/** Returns the most characters that a task's JSON has; below 1,024 tokens the limit stays that of 1,024. */
export function mostCharacters(tokens: number): number {
  return Math.min(MAX_BYTES, Math.max(tokens * CHARACTERS_PER_TOKEN, LEAST_CHARACTERS))
}

/** Returns how many tokens so many characters are. */
export function tokensIn(characters: number): number {
  return Math.ceil(characters / CHARACTERS_PER_TOKEN)
}

/**
 * Fills a task with a thread's messages, newest first, as long as they fit. The JSON has at most `mostCharacters` characters and fewer
 * bytes than readers accept; subjects and texts stay within the tokens. The newest message is always included, and is cut if necessary.
 * Messages after the ones that fit do not affect them.
 */
export function fillTask(newestFirst: readonly Message[], frame: TaskFrame): Filling {
  const most = mostCharacters(frame.tokens)
  const omitted = firstThatFit(frame.omitted, most / OMITTED)
  const common = createCommonParts(most, frame.labelsOf)
  common.isCut = omitted.length < frame.omitted.length
  const messages: WrittenMessage[] = []
  let left = minus({ characters: most, bytes: MAX_BYTES }, sizeOf(headOf(frame, omitted)))
  let tokens = frame.tokens
  for (const message of newestFirst) {
    const written = writtenAs(message, most)
    const others = common.withMessage(message)
    const isFit = costOf(written) <= tokens && fits(plus(sizeOf(written), others.size), left)
    if (!isFit && messages.length > 0) return { messages, common, omitted, isFull: true, left: left.characters }
    const one = isFit ? written : cut(written, tokens, minus(left, others.size))
    messages.push(one)
    others.join()
    tokens -= Math.min(tokens, costOf(one))
    left = minus(left, plus(sizeOf(one), others.size))
  }
  return { messages, common, omitted, isFull: false, left: left.characters }
}

// Everything in a task except its messages and what they have in common, at its longest.
function headOf({ mailbox, thread, promptVersion, timeZone, tokens }: TaskFrame, omitted: readonly MessageId[]) {
  const version = 'v'.repeat(VERSION_LENGTH)
  const names = { task: `${mailbox}/${thread}/${version}`, mailbox, thread, version, promptVersion }
  const lists = { participants: [], messages: [], labels: [], omitted }
  const budget = { tokens, used: tokens, omitted: Number.MAX_SAFE_INTEGER }
  const longest = { class: { kind: 'automated', cause: 'c'.repeat(LONGEST_CAUSE) }, timeZone, language: 'lan' }
  return { ...names, ...lists, ...longest, subject: '', truncated: false, reason: 'changed', budget }
}

function writtenAs(message: Message, most: number): WrittenMessage {
  const subject = cutSubject(message.subject, most)
  let left = most / PEOPLE_OF_A_MESSAGE
  let isCut = subject !== message.subject || message.isPart === true
  const people = (all: readonly Address[]) => {
    const written: Address[] = []
    for (const person of all) {
      const short = shortened(person)
      isCut ||= short?.name !== person.name
      if (!short) continue
      left -= sizeOf(short).characters
      if (left >= 0) written.push(short)
      else break
    }
    isCut ||= left < 0
    return written
  }
  const [from, to, cc] = [people(message.from), people(message.to), people(message.cc)]
  return {
    id: message.id,
    from,
    to,
    cc,
    date: dateOf(message.date),
    subject,
    text: message.snippet,
    truncated: isCut,
    // As long as `true` is not longer.
    new: false,
    ...marksOf(message),
  }
}

function marksOf({ unreadable }: Message): Pick<WrittenMessage, 'unreadable'> {
  return unreadable === undefined ? {} : { unreadable }
}

// The subject comes first and the text takes the rest; the text may use all of the tokens.
function cut(message: WrittenMessage, tokens: number, left: Size): WrittenMessage {
  const subject = fitText(message.subject, (tokens * CHARACTERS_PER_TOKEN) / 2, left)
  const bare = sizeOf({ ...message, subject, text: '' })
  const text = fitText(message.text, tokens * CHARACTERS_PER_TOKEN, minus(left, bare))
  return { ...message, subject, text, truncated: true }
}

function costOf({ subject, text }: WrittenMessage): number {
  return tokensIn(subject.length) + tokensIn(text.length)
}

function firstThatFit(ids: readonly MessageId[], characters: number): MessageId[] {
  let taken = 0
  const end = ids.findIndex(id => {
    taken += sizeOf(id).characters
    return taken > characters
  })
  return end === -1 ? [...ids] : ids.slice(0, end)
}

function dateOf(ms: number): string {
  return new Date(Math.min(LATEST_MS, Math.max(0, ms))).toISOString()
}
