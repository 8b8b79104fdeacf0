import { LONGEST_CAUSE } from '../mail/mail-class.ts'
import type { MailboxId } from '../mailbox.ts'
import type { Message, MessageId, ThreadId } from '../message.ts'
import { type CommonParts, createCommonParts } from './room.ts'
import { fits, minus, NO_SIZE, plus, type Size, share, sizeOf } from './size.ts'
import { shortText, wholeText } from './texts.ts'
import { type Entry, mostCharacters, type Sized, type Sizing, trimmedNewest, writerOf, writeTexts } from './writing.ts'
import { firstThatFit, type WrittenMessage } from './written.ts'

/** The content of a thread's task. */
export interface Filling {
  /** Newest first. */
  messages: WrittenMessage[]
  common: CommonParts
  omitted: MessageId[]
  /** The ids of older messages without a place, as many as fit. */
  older: MessageId[]
  /** The next message does not fit. */
  isFull: boolean
  /** The room that is left for messages. */
  left: Size
}

/** The subject of a task, and its token budget. */
export interface TaskFrame {
  mailbox: MailboxId
  thread: ThreadId
  omitted: readonly MessageId[]
  /** Older messages of the thread that are not passed in, newest first. */
  older: readonly MessageId[]
  tokens: number
  /** How many tokens of the model an estimated token is. */
  tokenFactor: number
  promptVersion: string
  timeZone: string
  labelsOf: (message: Message) => readonly string[]
}

// A small token budget limits the texts but leaves room for senders and dates.
const LEAST_TOKENS = 1024
// Readers accept a mebibyte, and the envelope around a task needs part of it.
const MOST_BYTES = 960_000
// The fraction of the whole that these may take, as a divisor.
const OMITTED = 16
const OLDER = 64
// No other version has more tokens.
const DEAREST_VERSION = '0a'.repeat(16)
// Up to so many messages, each one may hold quotes of the newest; beyond, at powers of two.
const NEAR = 8

/** Returns the most room that a task's JSON has, in estimated tokens and bytes; below 1,024 tokens the limit stays that of 1,024. */
export function roomOf({ tokens, tokenFactor }: Pick<TaskFrame, 'tokens' | 'tokenFactor'>): Size {
  return { tokens: Math.max(tokens, LEAST_TOKENS) / tokenFactor, bytes: MOST_BYTES }
}

/**
 * Fills a task with a thread's messages, newest first, as long as their previews fit beside the newest text; then with their texts, newest
 * first, as long as those fit; the next one is cut to the room left. Quotes of whole texts in the task go first, and so do signatures. By estimate the JSON stays within its tokens,
 * and it has fewer bytes than readers accept. The newest message is always included, and is cut if necessary. Messages after the ones that
 * fit do not affect them.
 */
export function fillTask(newestFirst: readonly Message[], frame: TaskFrame): Filling {
  const room = roomOf(frame)
  const omitted = firstThatFit(frame.omitted, share(room, OMITTED))
  const common = createCommonParts(room, frame.labelsOf)
  const left = minus(room, plus(sizeOf(headOf(frame, omitted)), share(room, OLDER)))
  // From here on the room bounds the texts too.
  const isRoomy = frame.tokens >= LEAST_TOKENS
  const sizing: Sizing = { room, tokens: isRoomy ? Number.POSITIVE_INFINITY : frame.tokens / frame.tokenFactor }
  const chosen = choose(newestFirst, common, left, sizing)
  const written = writeTexts(chosen.entries, minus(left, chosen.shared), sizing)
  const rest = minus(minus(left, chosen.shared), plus(...written.map(({ size }) => size)))
  const gone = [...newestFirst.slice(written.length).map(({ id }) => id), ...frame.older]
  const older = firstThatFit(gone, plus(rest, share(room, OLDER)))
  const messages = written.map(one => one.written)
  return { messages, common, omitted, older, isFull: chosen.isFull, left: chosen.left }
}

/** The messages that fit, newest first. */
interface Chosen {
  entries: readonly Entry[]
  /** What they have in common. */
  shared: Size
  isFull: boolean
  left: Size
}

function choose(newestFirst: readonly Message[], common: CommonParts, left: Size, sizing: Sizing): Chosen {
  const most = mostCharacters(sizing)
  const entries: Entry[] = []
  let shared = NO_SIZE
  let others = NO_SIZE
  let texts = 0
  let newest: Sized | undefined
  for (const [place, message] of newestFirst.entries()) {
    const own = common.withMessage(message)
    const write = writerOf(message, sizing)
    const short = write(place === 0 ? wholeText(message, most) : shortText(message, most))
    const [size, cost] = place === 0 ? [NO_SIZE, 0] : [short.size, short.cost]
    const all = plus(shared, own.size, others, size)
    const isFit = (one: Sized) => one.cost + texts + cost <= sizing.tokens && fits(plus(one.size, all), left)
    newest ??= short
    // Trimming costs time, and only a text that is too long needs it.
    if (!isFit(newest) && place > 0 && (place < NEAR || (place & (place - 1)) === 0))
      newest = trimmedNewest(newestFirst.slice(0, place + 1), entries[0]?.write ?? write, sizing) ?? newest
    if (place > 0 && !isFit(newest)) return { entries, shared, isFull: true, left: rest() }
    entries.push({ message, write, short })
    own.join()
    shared = plus(shared, own.size)
    others = plus(others, size)
    texts += cost
  }
  return { entries, shared, isFull: false, left: rest() }

  function rest(): Size {
    return minus(left, plus(shared, others, newest?.size ?? NO_SIZE))
  }
}

// Everything in a task except its messages and what they have in common, at its largest.
function headOf({ mailbox, thread, promptVersion, timeZone, tokens }: TaskFrame, omitted: readonly MessageId[]) {
  const version = DEAREST_VERSION
  const most = Number.MAX_SAFE_INTEGER
  const names = { task: `${mailbox}/${thread}/${version}`, mailbox, thread, version, promptVersion }
  const lists = { participants: [], messages: [], labels: [], omitted }
  const budget = { tokens, used: tokens, omitted: most }
  const longest = { class: { kind: 'automated', cause: '0a'.repeat(LONGEST_CAUSE / 2) }, timeZone, language: 'lan' }
  const omissions = { older: [], participants: most, labels: most, omitted: most }
  return { ...names, ...lists, ...longest, omissions, subject: '', truncated: false, reason: 'changed', budget }
}
