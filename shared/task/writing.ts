import type { Message, MessageId } from '../message.ts'
import { fits, minus, plus, type Size, sizeOf } from './size.ts'
import { heldBy, type TaskQuote, type TaskText, trimmedTexts } from './texts.ts'
import { MOST_CHARACTERS_A_TOKEN, tokensOf } from './tokens.ts'
import { cutMessage, messageWriter, type WrittenMessage } from './written.ts'

/** The size of a whole task, and how many tokens its texts may have where that is less. */
export interface Sizing {
  room: Size
  tokens: number
}

/** A message as a task holds it, its size, and the tokens of its subject and text where those have a bound of their own. */
export interface Sized {
  written: WrittenMessage
  size: Size
  cost: number
  quotes: readonly TaskQuote[]
}

/** A message, and its short text; of the newest message, its whole text. */
export interface Entry {
  message: Message
  /** Writes the message with one of its texts. */
  write: (text: TaskText) => Sized
  short: Sized
}

// Whether texts fit depends on what the others still hold. After so many turns, none holds anything.
const MOST_TURNS = 4

/** Creates the function that writes a message with one of its texts. It measures an equal text once. */
export function writerOf(message: Message, sizing: Sizing): Entry['write'] {
  const write = messageWriter(message, sizing.room)
  let [before, last]: [TaskText | undefined, Sized | undefined] = [undefined, undefined]
  return text => {
    if (!last || !before || !isEqual(text, before)) last = measured(write(text), text.quotes, sizing)
    before = text
    return last
  }
}

/** Returns the most characters of a text that fit; shorter texts are trimmed and measured sooner. */
export function mostCharacters({ room }: Sizing): number {
  return room.tokens * MOST_CHARACTERS_A_TOKEN
}

/** Returns the first text of a thread without the quotes that the other messages hold; both newest first. */
export function trimmedNewest(
  newestFirst: readonly Message[],
  write: Entry['write'],
  sizing: Sizing,
): Sized | undefined {
  const [text] = trimmedTexts(newestFirst, mostCharacters(sizing))
  return text && write(text)
}

/**
 * Gives messages their texts, newest first, as long as those fit beside the short texts of the others. The first text that does not fit takes
 * the room that is left; the others stay short. What goes as a quote stands in a whole text among these. Where a holder has no room, its quotes
 * come back; where they have none either, they count as missing text.
 */
export function writeTexts(entries: readonly Entry[], left: Size, sizing: Sizing): Sized[] {
  const messages = entries.map(({ message }) => message)
  const trimmed = trimmedTexts(messages, mostCharacters(sizing))
  const filled = fillTexts(entries, trimmed, left, sizing)
  if (isHeld(filled)) return filled.written
  const restored = fillTexts(entries, trimmedTexts(messages, mostCharacters(sizing), filled.whole), left, sizing)
  if (isHeld(restored) && [...filled.whole].every(id => restored.whole.has(id))) return restored.written
  let texts = trimmed
  for (let turn = 1, last = filled; ; turn++) {
    texts = texts.map(text => heldBy(text, quote => turn < MOST_TURNS && holds(last, quote)))
    last = fillTexts(entries, texts, left, sizing)
    if (isHeld(last)) return last.written
  }
}

/** Messages with their texts, and the ids of those whose texts are not cut; of `complete` ones no quote is missing either. */
interface Filled {
  written: Sized[]
  whole: ReadonlySet<MessageId>
  complete: ReadonlySet<MessageId>
}

function isHeld(filled: Filled): boolean {
  return filled.written.every(({ quotes }) => quotes.every(quote => holds(filled, quote)))
}

function holds({ whole, complete }: Filled, quote: TaskQuote): boolean {
  return (quote.isCopy ? complete : whole).has(quote.in)
}

function fillTexts(entries: readonly Entry[], texts: readonly TaskText[], left: Size, sizing: Sizing): Filled {
  const others = entries.slice(1).map(({ short }) => short)
  let spare = minus(left, plus(...others.map(({ size }) => size)))
  let spareTokens = sizing.tokens - others.reduce((sum, { cost }) => sum + cost, 0)
  let isFull = false
  const whole = new Set<MessageId>()
  const complete = new Set<MessageId>()
  const written = entries.map(({ message, write, short }, place): Sized => {
    const text = texts[place]
    const all = text ? write(text) : short
    // The short text has its room already.
    const room = place > 0 ? plus(spare, short.size) : spare
    const tokens = place > 0 ? spareTokens + short.cost : spareTokens
    const isFit = all.cost <= tokens && fits(all.size, room)
    const isShorter = place > 0 && fits(all.size, short.size) && all.cost <= short.cost
    const isWhole = (isFit && !isFull) || isShorter
    const cut = isWhole || isFull ? undefined : measured(cutMessage(all.written, tokens, room), all.quotes, sizing)
    const one = isWhole ? all : cut && (place === 0 || isBetter(cut, short)) ? cut : short
    isFull ||= !isFit
    if (isWhole) whole.add(message.id)
    if (isWhole && text?.missing === 0) complete.add(message.id)
    spare = minus(room, one.size)
    spareTokens = tokens - one.cost
    return one
  })
  return { written, whole, complete }
}

function isBetter(cut: Sized, short: Sized): boolean {
  return cut.written.text.length > short.written.text.length && cut.written.subject === short.written.subject
}

// Without a bound of their own, the texts need not be measured alone.
function measured(written: WrittenMessage, quotes: readonly TaskQuote[], { tokens }: Sizing): Sized {
  const { subject, text } = written
  const cost = tokens === Number.POSITIVE_INFINITY ? 0 : tokensOf(subject) + tokensOf(text)
  return { written, size: sizeOf(written), cost, quotes }
}

function isEqual(one: TaskText, other: TaskText): boolean {
  const isTrimmed = (text: TaskText) => text.quotes.length > 0 || text.signature > 0
  return one.missing === other.missing && !isTrimmed(one) && !isTrimmed(other) && one.text === other.text
}
