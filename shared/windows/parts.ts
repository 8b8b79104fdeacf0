import type { Listed } from '../mailbox.ts'

// A merged window becomes one entry of `merged`, and readers accept a mebibyte.
const LARGEST_WINDOW_BYTES = 600_000
const FRAME_BYTES = 64

/** Splits ids, in order, into as few parts as possible: each has at most `most` ids and, as an entry, a readable size. No part is empty. */
export function inParts<T extends Listed>(listed: readonly T[], most = Number.POSITIVE_INFINITY): T[][] {
  const parts: T[][] = []
  let bytes = 0
  for (const one of listed) {
    const own = bytesOf(one)
    const part = parts.at(-1)
    if (part && part.length < most && bytes + own <= LARGEST_WINDOW_BYTES) {
      part.push(one)
      bytes += own
    } else {
      parts.push([one])
      bytes = own
    }
  }
  return parts
}

// Scripts escape a slash as two characters, and write other text in at most three bytes a character.
function bytesOf({ id, thread }: Listed): number {
  const text = `${id}${thread}`
  return Buffer.byteLength(JSON.stringify(text)) + text.split('/').length + FRAME_BYTES
}
