import type { Listed } from '../mailbox.ts'

// A window is an entry of `merged` in the end, and readers take a mebibyte of it.
const LARGEST_WINDOW_BYTES = 600_000
const FRAME_BYTES = 64

/**
 * Ids in their order, in as few parts as may be: each has at most `most`, and as an entry not more bytes than are read. No part is empty.
 */
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

// Scripts write a slash as two characters, and other text in three bytes a character at most.
function bytesOf({ id, thread }: Listed): number {
  const text = `${id}${thread}`
  return Buffer.byteLength(JSON.stringify(text)) + text.split('/').length + FRAME_BYTES
}
