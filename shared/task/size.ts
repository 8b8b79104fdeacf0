import { cutText } from '../text.ts'

/** How long something is as JSON: in UTF-16 code units, and in bytes of UTF-8. */
export interface Size {
  characters: number
  bytes: number
}

export const NO_SIZE: Size = { characters: 0, bytes: 0 }

/** The size of a value as JSON, with the comma that follows it in a list. */
export function sizeOf(value: unknown): Size {
  const json = JSON.stringify(value)
  return { characters: json.length + 1, bytes: Buffer.byteLength(json) + 1 }
}

/** The sizes together. */
export function plus(...sizes: readonly Size[]): Size {
  return {
    characters: sizes.reduce((sum, { characters }) => sum + characters, 0),
    bytes: sizes.reduce((sum, { bytes }) => sum + bytes, 0),
  }
}

/** What is left of a room once something is in it; below zero where it does not fit. */
export function minus(room: Size, taken: Size): Size {
  return { characters: room.characters - taken.characters, bytes: room.bytes - taken.bytes }
}

/** Whether something has its place in a room. */
export function fits(size: Size, room: Size): boolean {
  return size.characters <= room.characters && size.bytes <= room.bytes
}

/** The longest beginning of a text that has at most `most` code units and fits into a room as JSON; no character is cut in two. */
export function fitText(text: string, most: number, room: Size): string {
  const isFit = (some: string) => fits(minus(sizeOf(some), EMPTY), room)
  const whole = cutText(text, most)
  if (isFit(whole)) return whole
  let [low, high] = [0, whole.length]
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if (isFit(cutText(whole, middle))) low = middle
    else high = middle - 1
  }
  return cutText(whole, low)
}

// The quotes and the comma, which stand there in any case.
const EMPTY = sizeOf('')
