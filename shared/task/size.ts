import { cutText } from '../text.ts'
import { MOST_CHARACTERS_A_TOKEN, MOST_TOKENS_A_CHARACTER, tokensOf } from './tokens.ts'

/** The size of a value as JSON: in estimated tokens and in UTF-8 bytes. */
export interface Size {
  tokens: number
  bytes: number
}

export const NO_SIZE: Size = { tokens: 0, bytes: 0 }

/** Returns the size of a value as JSON, with the comma that follows it in a list. */
export function sizeOf(value: unknown): Size {
  const json = JSON.stringify(value)
  // A comma between values joins the marks around it, which count in full.
  return { tokens: tokensOf(json), bytes: Buffer.byteLength(json) + 1 }
}

/** Adds sizes. */
export function plus(...sizes: readonly Size[]): Size {
  return {
    tokens: sizes.reduce((sum, { tokens }) => sum + tokens, 0),
    bytes: sizes.reduce((sum, { bytes }) => sum + bytes, 0),
  }
}

/** Returns the room that is left; below zero where something does not fit. */
export function minus(room: Size, taken: Size): Size {
  return { tokens: room.tokens - taken.tokens, bytes: room.bytes - taken.bytes }
}

/** Returns a fraction of a room, given as its divisor. */
export function share(room: Size, divisor: number): Size {
  return { tokens: room.tokens / divisor, bytes: room.bytes / divisor }
}

/** Returns whether something fits in a room. */
export function fits(size: Size, room: Size): boolean {
  return size.tokens <= room.tokens && size.bytes <= room.bytes
}

/** Returns the longest beginning of a text with at most `most` code units that fits into a room as JSON; no character is split. */
export function fitText(text: string, most: number, room: Size): string {
  const longest = { tokens: MOST_TOKENS_A_CHARACTER * MOST_ESCAPED * text.length, bytes: MOST_ESCAPED * text.length }
  if (text.length <= most && fits(longest, room)) return text
  const isFit = (some: string) => fits(minus(sizeOf(some), EMPTY), room)
  // No more fits, and a shorter text is measured sooner.
  const whole = cutText(text, Math.min(most, room.bytes, room.tokens * MOST_CHARACTERS_A_TOKEN))
  if (isFit(whole)) return whole
  let [low, high] = [0, whole.length]
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if (isFit(cutText(whole, middle))) low = middle
    else high = middle - 1
  }
  return cutText(whole, low)
}

// The escape of a control character.
const MOST_ESCAPED = 6
// The quotes and the comma, which are always present.
const EMPTY = sizeOf('')
