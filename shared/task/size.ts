import { cutText } from '../text.ts'

/** The length of a value as JSON: in UTF-16 code units and in UTF-8 bytes. */
export interface Size {
  characters: number
  bytes: number
}

export const NO_SIZE: Size = { characters: 0, bytes: 0 }

/** Returns the size of a value as JSON, with the comma that follows it in a list. */
export function sizeOf(value: unknown): Size {
  const json = JSON.stringify(value)
  return { characters: json.length + 1, bytes: Buffer.byteLength(json) + 1 }
}

/** Adds sizes. */
export function plus(...sizes: readonly Size[]): Size {
  return {
    characters: sizes.reduce((sum, { characters }) => sum + characters, 0),
    bytes: sizes.reduce((sum, { bytes }) => sum + bytes, 0),
  }
}

/** Returns the room that is left; below zero where something does not fit. */
export function minus(room: Size, taken: Size): Size {
  return { characters: room.characters - taken.characters, bytes: room.bytes - taken.bytes }
}

/** Returns whether something fits in a room. */
export function fits(size: Size, room: Size): boolean {
  return size.characters <= room.characters && size.bytes <= room.bytes
}

/** Returns the longest beginning of a text with at most `most` code units that fits into a room as JSON; no character is split. */
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

// The quotes and the comma, which are always present.
const EMPTY = sizeOf('')
