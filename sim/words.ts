import { textOf } from './charset.ts'

const WORD_START = /=\?([^?\s]{1,100})\?([bq])\?/gi
const WORD_END = '?='
const CLOSING = new Map([
  ['"', '"'],
  ['(', ')'],
  ['<', '>'],
])
// In these charsets each encoded word starts in the initial state.
const SHIFTING = /^(?:iso-2022|csiso2022|utf-?7|hz)/i
const SPECIAL = /[()<>[\]:;@\\,."]/

/** A stretch of a header: raw text, or decoded adjacent encoded words. */
interface Stretch {
  text: string
  wasEncoded: boolean
}

/** Decodes the encoded words of a header, as Gmail does. */
export function decodeWords(value: string): string {
  return stretches(value)
    .map(({ text }) => text)
    .join('')
}

/**
 * Decodes an address header. Quotes encoded text that would break a name, so that the addresses stay intact.
 * Drops a quote or bracket that never closes.
 */
export function decodeAddresses(value: string): string {
  const found = stretches(value.trim())
  const [only] = found
  // Some programs encode a whole mailbox as one word.
  if (found.length === 1 && only?.wasEncoded && /^[^"<>]*<[^\s<>@]+@[^\s<>@]+>$/.test(only.text)) return only.text
  let text = ''
  let open = ''
  let openAt = -1
  for (const stretch of found) {
    if (stretch.wasEncoded) {
      text += within(open, stretch.text)
      continue
    }
    for (let at = 0; at < stretch.text.length; at++) {
      const character = stretch.text.charAt(at)
      const isEscape = character === '\\' && (open === '"' || open === '(')
      const shown = isEscape ? stretch.text.slice(at, at + 2) : character
      if (open !== '' && character === CLOSING.get(open)) open = ''
      else if (open === '' && CLOSING.has(character)) [open, openAt] = [character, text.length]
      text += shown
      at += shown.length - 1
    }
  }
  return open === '' ? text : `${text.slice(0, openAt)} ${text.slice(openAt + 1)}`
}

function within(open: string, text: string): string {
  if (open === '(') return text.replace(/[()\\]/g, ' ')
  if (open === '<' || (open === '' && !SPECIAL.test(text))) return text
  const escaped = text.replace(/["\\]/g, '\\$&')
  return open === '"' ? escaped : `"${escaped}"`
}

function stretches(value: string): Stretch[] {
  const found: Stretch[] = []
  let run: { charset: string; bytes: Buffer[] }[] = []
  let at = 0
  const add = (text: string, wasEncoded: boolean) => {
    if (text !== '') found.push({ text, wasEncoded })
  }
  const flush = () => {
    add(run.map(({ charset, bytes }) => textOf(Buffer.concat(bytes), charset)).join(''), true)
    run = []
  }
  const starts = [...value.matchAll(WORD_START)]
  for (const [index, { 0: opening, 1: charset = '', 2: encoding = '', index: startAt }] of starts.entries()) {
    const rest = value.slice(startAt + opening.length, starts[index + 1]?.index ?? value.length)
    const end = rest.indexOf(WORD_END)
    const content = rest.slice(0, end < 0 ? rest.search(/[\s<>,;"]|$/) : end)
    const bytes = encoding.toLowerCase() === 'b' ? fromBase64(content) : fromQ(content)
    // What holds nothing that can be decoded stays as it is.
    if (bytes.length === 0 && /[^\s=]/.test(content)) continue
    const between = value.slice(at, startAt)
    if (run.length === 0 || between.trim() !== '') {
      flush()
      add(between, false)
    }
    const last = run.at(-1)
    if (last?.charset.toLowerCase() === charset.toLowerCase() && !SHIFTING.test(charset)) last.bytes.push(bytes)
    else run.push({ charset, bytes: [bytes] })
    at = startAt + opening.length + content.length + (end < 0 ? 0 : WORD_END.length)
  }
  flush()
  add(value.slice(at), false)
  return found
}

function fromBase64(content: string): Buffer {
  return Buffer.concat(content.split(/=+/).map(part => Buffer.from(part, 'base64')))
}

function fromQ(content: string): Buffer {
  const bytes = Buffer.from(content.replaceAll('_', ' ')).toString('latin1')
  return Buffer.from(
    bytes.replace(/=([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  )
}
