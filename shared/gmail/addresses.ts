import { addressParser } from 'postal-mime'
import { decodeBytes } from '../http/charset.ts'
import { type People, readPeople } from '../mail/people.ts'
import { piecesOf } from '../mail/words.ts'
import type { Address } from '../message.ts'

const NEEDS_QUOTES = /[()<>[\]:;@\\,."]/
const NOT_ASCII = /[^\0-\x7f]/

/**
 * Reads the values of an address header, all of one message: groups are their members, nested comments and quotes are undone. Addresses are
 * parsed before words are decoded (RFC 2047 section 5), so what was encoded is part of a name, whatever it holds.
 */
export function readAddresses(values: readonly string[]): People {
  return readPeople(joined(peopleIn(values), isForeign), decodeBytes)
}

/** Reads the values of a `From` header: the first person they name, for Graph knows of one alone. */
export function readAuthor(values: readonly string[]): People {
  return readPeople(joined(peopleIn(values), () => true).slice(0, 1), decodeBytes)
}

function peopleIn(values: readonly string[]): Address[] {
  const found = values.flatMap(value => addressParser(unwrapped(value), { flatten: true }))
  return found.flatMap(({ name, address = '' }) =>
    name.trim() === '' && address.trim() === '' ? [] : [{ name: shown(name), address: shown(address) }],
  )
}

// "Last, First <a@example.com>" is one person where the comma came out of an encoded word, or there is to be one alone.
function joined(people: readonly Address[], isOneName: (name: string) => boolean): Address[] {
  const whole: Address[] = []
  for (const person of people) {
    const before = whole.at(-1)
    const name = `${before?.name}, ${person.name}`
    const isOne = before?.address === '' && person.address !== '' && person.name !== '' && isOneName(name)
    if (isOne) whole[whole.length - 1] = { name, address: person.address }
    else whole.push(person)
  }
  return whole
}

// People without a domain are known within one host alone, by names in ASCII.
function isForeign(name: string): boolean {
  return NOT_ASCII.test(name)
}

// A quoted name may hold an address, and is none: its sign is another character until the parser is done.
const QUOTED_AT = '\ufdd0'
const CLOSES: ReadonlyMap<string, string> = new Map([
  ['"', '"'],
  ['(', ')'],
  ['<', '>'],
])
const LOCAL_IN_QUOTES = /(^|[,;:]\s*)("[^"]*"@[^\s,;<>]+)/g

function shown(text: string): string {
  return text.replaceAll(QUOTED_AT, '@')
}

// With encoded words decoded where they stand, and quoted if they hold what would end a name; a quote or bracket that never closes is left out.
function unwrapped(value: string): string {
  const { text, openAt } = unwrap(value.replaceAll(QUOTED_AT, '').trim())
  const closed = openAt === undefined ? text : `${text.slice(0, openAt)} ${text.slice(openAt + 1)}`
  return closed.replace(LOCAL_IN_QUOTES, '$1<$2>')
}

function unwrap(value: string): { text: string; openAt: number | undefined } {
  const pieces = piecesOf(value, decodeBytes)
  // A whole mailbox in one word, as some programs write it, is one all the same.
  if (pieces.length === 1 && pieces[0]?.wasEncoded && MAILBOX.test(pieces[0].text))
    return { text: pieces[0].text, openAt: undefined }
  let text = ''
  let open = ''
  let openAt: number | undefined
  for (const piece of pieces) {
    if (piece.wasEncoded) {
      text += within(open, piece.text)
      continue
    }
    for (let at = 0; at < piece.text.length; at++) {
      const character = piece.text.charAt(at)
      if (character === '\\' && (open === '"' || open === '(')) {
        text += piece.text.slice(at, at + 2)
        at += 1
        continue
      }
      if (open !== '' && character === CLOSES.get(open)) [open, openAt] = ['', undefined]
      else if (open === '' && CLOSES.has(character)) [open, openAt] = [character, text.length]
      text += open === '"' && character === '@' ? QUOTED_AT : character
    }
  }
  return { text, openAt }
}

const MAILBOX = /^[^"<>]*<[^\s<>@]+@[^\s<>@]+>$/

function within(open: string, decoded: string): string {
  if (open === '(') return decoded.replace(/[()\\]/g, ' ')
  if (open === '<' || (open === '' && !NEEDS_QUOTES.test(decoded))) return decoded
  const text = decoded.replaceAll('@', QUOTED_AT).replace(/["\\]/g, '\\$&')
  return open === '"' ? text : `"${text}"`
}
