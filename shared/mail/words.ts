import { oneLine } from '../text.ts'

/** The replacement character for bytes that could not be read. */
export const UNREAD = '\ufffd'

/** Decodes bytes in the charset that a mail names; U+FFFD replaces unreadable bytes. */
export type Decode = (bytes: Uint8Array, charset: string) => string

/** A text on one line, empty where it cannot be read, and whether it could be read in full. */
export interface Reading {
  text: string
  isWhole: boolean
}

/** A piece of a header: plain text, or a run of encoded words that are decoded together. */
export interface Piece {
  text: string
  wasEncoded: boolean
}

/**
 * Reads a text header such as a subject. Decodes encoded words (RFC 2047), including truncated ones and ones with illegal content. Runs in
 * linear time.
 */
export function readHeader(value: string, decode: Decode): Reading {
  const pieces = piecesOf(value, decode)
  return readText(pieces.map(({ text }) => text).join(''))
}

/** Reads decoded text. If more than a third of it is unreadable, returns an empty text instead of replacement characters. */
function readText(text: string): Reading {
  const line = oneLine(text)
  const unread = line.split(UNREAD).length - 1
  if (unread === 0) return { text: line, isWhole: true }
  return { text: unread * 3 > line.replaceAll(' ', '').length ? '' : line, isWhole: false }
}

// Newsletters pad their preview with characters of no width. The two joiners stay where they join letters or emoji.
const NO_WIDTH =
  /\u034F|[\u00AD\u061C\u115F\u1160\u17B4\u17B5\u180E\u200B\u200E\u200F\u2060-\u2064\u206A-\u206F\uFEFF]/gu
const JOINERS_THAT_JOIN_NOTHING = /[\u200C\u200D]{2,}|(?<=^|\s)[\u200C\u200D]|[\u200C\u200D](?=\s|$)/gu

/** Returns a text without characters of no width, such as newsletters pad their preview with. Joiners stay where they join. */
export function withoutPadding(text: string): string {
  return text.replace(NO_WIDTH, '').replace(JOINERS_THAT_JOIN_NOTHING, '')
}

/** Reads a preview without its padding characters. */
export function readSnippet(text: string): Reading {
  return readText(withoutPadding(text))
}

/** Returns whether a charset resets its state after each piece, so that pieces are decoded one by one. */
export function hasShifts(charset: string): boolean {
  return /^(?:iso-2022|csiso2022|utf-?7|hz)/i.test(charset)
}

/** Splits a header into text and runs of encoded words; words separated only by white space form one run. */
export function piecesOf(value: string, decode: Decode): Piece[] {
  const text = inJapanese(value, decode)
  const pieces: Piece[] = []
  let run: Word[] = []
  let at = 0
  const endRun = () => {
    if (run.length > 0) pieces.push({ text: decodeRun(run, decode), wasEncoded: true })
    run = []
  }
  for (const word of wordsIn(text)) {
    const between = text.slice(at, word.startAt)
    if (between.trim() !== '' || run.length === 0) {
      endRun()
      if (between !== '') pieces.push({ text: between, wasEncoded: false })
    }
    run.push(word)
    at = word.endAt
  }
  endRun()
  if (at < text.length) pieces.push({ text: text.slice(at), wasEncoded: false })
  return pieces
}

interface Word {
  startAt: number
  endAt: number
  charset: string
  /** `undefined` where the content is in no encoding that there is. */
  bytes: Buffer | undefined
}

const WORD_START = /=\?([^?\s]{1,100})\?([a-z]?)\?/gi
const WORD_END = '?='

function wordsIn(text: string): Word[] {
  const starts = [...text.matchAll(WORD_START)]
  const words: Word[] = []
  for (const [index, { 0: whole, 1: charset = '', 2: encoding = '', index: startAt }] of starts.entries()) {
    if (startAt < (words.at(-1)?.endAt ?? 0)) continue
    const contentAt = startAt + whole.length
    const limit = starts[index + 1]?.index ?? text.length
    const found = text.slice(contentAt, limit).indexOf(WORD_END)
    // An encoded word without an end was truncated: an address or another word after it is not part of it.
    const cut = text.slice(contentAt, limit).search(/[\s<>,;"]|$/)
    const content = text.slice(contentAt, contentAt + (found < 0 ? cut : found))
    const endAt = contentAt + content.length + (found < 0 ? 0 : WORD_END.length)
    words.push({ startAt, endAt, charset, bytes: bytesOf(content, encoding.toLowerCase()) })
  }
  return words
}

// One charset's character may be split between two words.
function decodeRun(run: readonly Word[], decode: Decode): string {
  const groups: { charset: string; bytes: Buffer[] }[] = []
  for (const { charset, bytes } of run) {
    const last = groups.at(-1)
    if (!bytes) groups.push({ charset: 'utf-8', bytes: [Buffer.from(UNREAD)] })
    else if (last && last.charset.toLowerCase() === charset.toLowerCase() && !hasShifts(charset)) last.bytes.push(bytes)
    else groups.push({ charset, bytes: [bytes] })
  }
  return groups.map(({ charset, bytes }) => decode(Buffer.concat(bytes), charset)).join('')
}

function bytesOf(content: string, encoding: string): Buffer | undefined {
  if (encoding === 'q') return fromQ(content)
  const bytes = encoding === 'b' ? fromBase64(content) : undefined
  return bytes?.length === 0 && /[^\s=]/.test(content) ? undefined : bytes
}

// Padding may occur in the middle where two words were joined.
function fromBase64(content: string): Buffer {
  return Buffer.concat(content.split(/=+/).map(part => Buffer.from(part, 'base64')))
}

function fromQ(content: string): Buffer {
  const bytes = Buffer.from(content.replaceAll('_', ' ')).toString('latin1')
  const decoded = bytes.replace(/=([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return Buffer.from(decoded, 'latin1')
}

// ISO-2022-JP is pure ASCII, so undecoded text survives unnoticed.
function inJapanese(value: string, decode: Decode): string {
  return value.includes('\x1b$') && /^[\0-\x7f]*$/.test(value) ? decode(Buffer.from(value), 'iso-2022-jp') : value
}
