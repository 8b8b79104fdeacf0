import { decodeWestern } from '../mail/charsets.ts'

const FIRST_HIGH = 0x80
const BYTES = 256
const LONGEST = 4
// The first bytes of characters of two, three and four bytes, and what may follow the first (RFC 3629, 4).
const FROM_TWO = 0xc2
const FROM_THREE = 0xe0
const FROM_FOUR = 0xf0
const BEYOND_FOUR = 0xf5
const SECOND_FROM: Readonly<Record<number, number>> = { 224: 0xa0, 240: 0x90 }
const SECOND_TO: Readonly<Record<number, number>> = { 237: 0x9f, 244: 0x8f }
const CONTINUES_TO = 0xbf

/** A text with bytes that are no UTF-8: how many bytes belong to characters beyond ASCII, and how many to none. */
export interface Mended {
  text: string
  good: number
  bad: number
}

/** Decodes UTF-8, and each byte that is none as windows-1252: such bytes were broken, or are a footer in another charset. */
export function mendUtf8(bytes: Uint8Array): Mended {
  const western = Array.from({ length: BYTES }, (_, byte) => [...Buffer.from(decodeWestern(Uint8Array.of(byte)))])
  const out = Buffer.alloc(bytes.length * (LONGEST - 1))
  let [good, bad, end] = [0, 0, 0]
  for (let at = 0; at < bytes.length; ) {
    const byte = bytes[at] ?? 0
    const length = byte < FIRST_HIGH ? 1 : lengthAt(bytes, at)
    if (length === 0) {
      bad += 1
      for (const part of western[byte] ?? []) out[end++] = part
      at += 1
      continue
    }
    if (length > 1) good += length
    for (let n = 0; n < length; n++) out[end++] = bytes[at++] ?? 0
  }
  return { text: out.toString('utf8', 0, end), good, bad }
}

// Returns how many bytes the character at a high byte has; 0 if it is none.
function lengthAt(bytes: Uint8Array, at: number): number {
  const first = bytes[at] ?? 0
  const length = first >= FROM_FOUR ? 4 : first >= FROM_THREE ? 3 : 2
  if (first < FROM_TWO || first >= BEYOND_FOUR) return 0
  const second = bytes[at + 1] ?? 0
  if (second < (SECOND_FROM[first] ?? FIRST_HIGH) || second > (SECOND_TO[first] ?? CONTINUES_TO)) return 0
  for (let n = 2; n < length; n++) {
    const next = bytes[at + n] ?? 0
    if (next < FIRST_HIGH || next > CONTINUES_TO) return 0
  }
  return length
}
