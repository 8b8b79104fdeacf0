import { LONGEST_CAUSE } from '../mail/mail-class.ts'
import type { MailboxId } from '../mailbox.ts'
import type { Message, MessageId, ThreadId } from '../message.ts'
import { type CommonParts, createCommonParts } from './room.ts'
import { fits, minus, plus, type Size, share, sizeOf } from './size.ts'
import { shortText, trimmedTexts, wholeText } from './texts.ts'
import { MOST_CHARACTERS_A_TOKEN, tokensOf } from './tokens.ts'
import { cutMessage, firstThatFit, type WrittenMessage, writeMessage } from './written.ts'

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
 * first, as long as those fit. Quotes of messages in the task go first, and so do signatures. By estimate the JSON stays within its tokens,
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
  const messages = writeTexts(chosen, minus(left, chosen.shared), sizing)
  const rest = minus(minus(left, chosen.shared), plus(...messages.map(sizeOf)))
  const gone = [...newestFirst.slice(messages.length).map(({ id }) => id), ...frame.older]
  const older = firstThatFit(gone, plus(rest, share(room, OLDER)))
  return { messages, common, omitted, older, isFull: chosen.isFull, left: chosen.left }
}

/** The size of a whole task, and how many tokens its texts may have where that is less. */
interface Sizing {
  room: Size
  tokens: number
}

/** The messages that fit, newest first; all but the newest with short texts. */
interface Chosen {
  messages: readonly Message[]
  short: readonly WrittenMessage[]
  /** What they have in common. */
  shared: Size
  isFull: boolean
  left: Size
}

function choose(newestFirst: readonly Message[], common: CommonParts, left: Size, { room, tokens }: Sizing): Chosen {
  const most = mostCharacters(room)
  const short: WrittenMessage[] = []
  let shared: Size = { tokens: 0, bytes: 0 }
  let others: Size = { tokens: 0, bytes: 0 }
  let texts = 0
  let newest: { size: Size; cost: number } | undefined
  for (const [place, message] of newestFirst.entries()) {
    const own = common.withMessage(message)
    const written = writeMessage(message, shortText(message, most), room)
    const [size, cost] = place === 0 ? [{ tokens: 0, bytes: 0 }, 0] : [sizeOf(written), costOf(written, tokens)]
    const all = plus(shared, own.size, others, size)
    const isFit = (one: { size: Size; cost: number }) =>
      one.cost + texts + cost <= tokens && fits(plus(one.size, all), left)
    newest ??= measured(writeMessage(message, wholeText(message, most), room), tokens)
    // Trimming costs time, and only a text that is too long needs it.
    if (!isFit(newest) && place > 0 && (place < NEAR || (place & (place - 1)) === 0))
      newest = trimmedNewest(newestFirst.slice(0, place + 1), { room, tokens }) ?? newest
    if (place > 0 && !isFit(newest)) {
      return { messages: newestFirst.slice(0, place), short, shared, isFull: true, left: rest() }
    }
    short.push(written)
    own.join()
    shared = plus(shared, own.size)
    others = plus(others, size)
    texts += cost
  }
  return { messages: newestFirst, short, shared, isFull: false, left: rest() }

  function rest(): Size {
    return minus(left, plus(shared, others, newest?.size ?? { tokens: 0, bytes: 0 }))
  }
}

function trimmedNewest(newestFirst: readonly Message[], { room, tokens }: Sizing) {
  const [message] = newestFirst
  const [text] = trimmedTexts(newestFirst, mostCharacters(room))
  return message && text && measured(writeMessage(message, text, room), tokens)
}

function measured(written: WrittenMessage, tokens: number) {
  return { size: sizeOf(written), cost: costOf(written, tokens) }
}

// Each message has room for its short text already, and gets its whole one where that fits; after the first that does not, none does.
function writeTexts({ messages, short }: Chosen, left: Size, { room, tokens }: Sizing): WrittenMessage[] {
  const most = mostCharacters(room)
  const texts = trimmedTexts(messages, most)
  const sizes = short.map(one => measured(one, tokens))
  let spare = minus(left, plus(...sizes.slice(1).map(({ size }) => size)))
  let spareTokens = tokens - sizes.slice(1).reduce((sum, { cost }) => sum + cost, 0)
  let isFull = false
  return messages.flatMap((message, place): WrittenMessage[] => {
    const [brief, text, own] = [short[place], texts[place], sizes[place]]
    if (!brief || !text || !own) return []
    const reserved = place > 0 ? own : { size: { tokens: 0, bytes: 0 }, cost: 0 }
    const whole = writeMessage(message, text, room)
    const { size, cost } = measured(whole, tokens)
    const isFit = cost <= spareTokens + reserved.cost && fits(size, plus(spare, reserved.size))
    isFull ||= !isFit
    const isShorter = fits(size, reserved.size) && cost <= reserved.cost
    const written = !isFull || isShorter ? whole : place > 0 ? brief : cutMessage(whole, spareTokens, spare)
    const taken = measured(written, tokens)
    spare = minus(plus(spare, reserved.size), taken.size)
    spareTokens += reserved.cost - taken.cost
    return [written]
  })
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

// Without a bound of their own, the texts need not be measured alone.
function costOf({ subject, text }: WrittenMessage, tokens: number): number {
  if (tokens === Number.POSITIVE_INFINITY) return 0
  return tokensOf(subject) + tokensOf(text)
}

// No more fits, and shorter texts are trimmed and measured sooner.
function mostCharacters(room: Size): number {
  return room.tokens * MOST_CHARACTERS_A_TOKEN
}
