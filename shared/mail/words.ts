import { oneLine } from '../text.ts'

/** What stands where bytes could not be read. */
export const UNREAD = '\ufffd'

/** Reads bytes in the charset that a mail names; U+FFFD stands for what cannot be read. */
export type Decode = (bytes: Uint8Array, charset: string) => string

/** A text on one line, empty where it cannot be read, and whether all of it could be. */
export interface Reading {
  text: string
  isWhole: boolean
}

/** A piece of a header: text as it stands, or a run of encoded words, decoded together. */
export interface Piece {
  text: string
  wasEncoded: boolean
}

/**
 * Reads a header that is text, such as a subject: encoded words are decoded (RFC 2047), also those that are cut off or hold what they must not.
 * Time is linear in its length.
 */
export function readHeader(value: string, decode: Decode): Reading {
  const pieces = piecesOf(value, decode)
  return readText(pieces.map(({ text }) => text).join(''))
}

/**
 * Reads text that is decoded. Where more than a third of it could not be, it says nothing: it is empty then, and not a row of replacement
 * characters.
 */
function readText(text: string): Reading {
  const line = oneLine(text)
  const unread = line.split(UNREAD).length - 1
  if (unread === 0) return { text: line, isWhole: true }
  return { text: unread * 3 > line.replaceAll(' ', '').length ? '' : line, isWhole: false }
}

// Newsletters pad their preview with characters of no width. Two of them join letters and emoji, and stay where they do.
const NO_WIDTH =
  /\u034F|[\u00AD\u061C\u115F\u1160\u17B4\u17B5\u180E\u200B\u200E\u200F\u2060-\u2064\u206A-\u206F\uFEFF]/gu
const JOINERS_THAT_JOIN_NOTHING = /[\u200C\u200D]{2,}|(?<=^|\s)[\u200C\u200D]|[\u200C\u200D](?=\s|$)/gu

/** Reads a preview, without the characters that only fill it up. */
export function readSnippet(text: string): Reading {
  return readText(text.replace(NO_WIDTH, '').replace(JOINERS_THAT_JOIN_NOTHING, ''))
}

/** Whether text in a charset begins anew after each piece, so that pieces are decoded one by one. */
export function hasShifts(charset: string): boolean {
  return /^(?:iso-2022|csiso2022|utf-?7|hz)/i.test(charset)
}

/** Splits a header into text and runs of encoded words; words that only white space separates are one run. */
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
  bytes: Buffer
}

const WORD_START = /=\?([^?\s]{1,100})\?([bq])\?/gi
const WORD_END = '?='

function wordsIn(text: string): Word[] {
  const starts = [...text.matchAll(WORD_START)]
  const words: Word[] = []
  for (const [index, { 0: whole, 1: charset = '', 2: encoding = '', index: startAt }] of starts.entries()) {
    if (startAt < (words.at(-1)?.endAt ?? 0)) continue
    const contentAt = startAt + whole.length
    const limit = starts[index + 1]?.index ?? text.length
    const found = text.slice(contentAt, limit).indexOf(WORD_END)
    // One that never ends was cut: an address or another word is not part of it.
    const cut = text.slice(contentAt, limit).search(/[\s<>,;"]|$/)
    const content = text.slice(contentAt, contentAt + (found < 0 ? cut : found))
    const endAt = contentAt + content.length + (found < 0 ? 0 : WORD_END.length)
    words.push({
      startAt,
      endAt,
      charset,
      bytes: encoding.toLowerCase() === 'b' ? fromBase64(content) : fromQ(content),
    })
  }
  return words
}

// A character may be split between two words of one charset.
function decodeRun(run: readonly Word[], decode: Decode): string {
  const groups: { charset: string; bytes: Buffer[] }[] = []
  for (const { charset, bytes } of run) {
    const last = groups.at(-1)
    if (last && last.charset.toLowerCase() === charset.toLowerCase() && !hasShifts(charset)) last.bytes.push(bytes)
    else groups.push({ charset, bytes: [bytes] })
  }
  return groups.map(({ charset, bytes }) => decode(Buffer.concat(bytes), charset)).join('')
}

// Padding may stand in the middle, where two were joined.
function fromBase64(content: string): Buffer {
  return Buffer.concat(content.split(/=+/).map(part => Buffer.from(part, 'base64')))
}

function fromQ(content: string): Buffer {
  const bytes = Buffer.from(content.replaceAll('_', ' ')).toString('latin1')
  const decoded = bytes.replace(/=([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return Buffer.from(decoded, 'latin1')
}

// ISO-2022-JP needs no eighth bit, so it comes through undecoded where nobody looked for it.
function inJapanese(value: string, decode: Decode): string {
  return value.includes('\x1b$') && /^[\0-\x7f]*$/.test(value) ? decode(Buffer.from(value), 'iso-2022-jp') : value
}
