import { addressParser } from 'postal-mime'
import { decodeBytes } from '../http/charset.ts'
import { type People, readPeople } from '../mail/read-message.ts'
import { piecesOf } from '../mail/words.ts'
import type { Address } from '../message.ts'
import { countAddresses, readPlain } from './plain-addresses.ts'

// In one header; a task holds fewer.
const MOST_CHARACTERS = 100_000
// The parser takes a hundred times as long.
const MOST_PARSED = 25_000
// Real ones have a hundredth.
const LONGEST_AUTHOR = 10_000
const MOST_AUTHORS = 3
const NEEDS_QUOTES = /[()<>[\]:;@\\,."]/
const NOT_ASCII = /[^\0-\x7f]/

/**
 * Reads the address headers of one message. Groups become their members; nested comments and quotes are
 * resolved. Addresses are parsed before encoded words are decoded (RFC 2047 section 5), so an encoded word is
 * always part of a name. Of a list longer than a hundred thousand characters, or 25,000 that take a parser, the rest is counted.
 */
export function readAddresses(values: readonly string[]): People {
  const read: Address[] = []
  let [left, leftToParse, more] = [MOST_CHARACTERS, MOST_PARSED, 0]
  let isAll = true
  const parsed: Address[] = []
  for (const value of values) {
    const kept = beginning(value, left)
    left -= kept.length
    const plain = parsed.length === 0 ? readPlain(kept) : { people: [], rest: kept }
    const rest = beginning(plain.rest, leftToParse)
    leftToParse -= rest.length
    read.push(...plain.people)
    parsed.push(...peopleIn([rest]))
    more += countAddresses(value.slice(kept.length)) + countAddresses(plain.rest.slice(rest.length))
    isAll &&= kept.length === value.length && rest.length === plain.rest.length
  }
  const { people, isWhole } = readPeople(joined(parsed, isForeign), decodeBytes)
  return { people: [...read, ...people], isWhole: isAll && isWhole, more }
}

// Half an address may be another's.
function beginning(value: string, most: number): string {
  if (value.length <= most) return value
  const end = value.lastIndexOf(',', most)
  return value.slice(0, Math.max(0, end))
}

/**
 * Reads the values of a `From` header and returns the first person they name, because Graph knows only one.
 */
export function readAuthor(values: readonly string[]): People {
  const kept = values.slice(0, MOST_AUTHORS).map(value => value.slice(0, LONGEST_AUTHOR))
  const { people, isWhole } = readPeople(joined(peopleIn(kept), () => true).slice(0, 1), decodeBytes)
  const isCut = values.some(value => value.length > LONGEST_AUTHOR)
  return { people, isWhole: isWhole && !isCut }
}

function peopleIn(values: readonly string[]): Address[] {
  const found = values.flatMap(value => addressParser(unwrapped(value), { flatten: true }))
  return found.flatMap(({ name, address = '' }) =>
    name.trim() === '' && address.trim() === '' ? [] : [{ name: shown(name), address: shown(address) }],
  )
}

// "Last, First <a@example.com>" is one person if the comma came from an encoded word, or if only one author is
// allowed.
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

// Addresses without a domain are valid only within one host, and their names are ASCII.
function isForeign(name: string): boolean {
  return NOT_ASCII.test(name)
}

// A quoted name may contain an "@" without being an address. The "@" is replaced until the parser is done.
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

// Decodes encoded words in place and quotes them if they contain a separator. Drops a quote or bracket that
// never closes.
function unwrapped(value: string): string {
  const { text, openAt } = unwrap(value.replaceAll(QUOTED_AT, '').trim())
  const closed = openAt === undefined ? text : `${text.slice(0, openAt)} ${text.slice(openAt + 1)}`
  return closed.replace(LOCAL_IN_QUOTES, '$1<$2>')
}

function unwrap(value: string): { text: string; openAt: number | undefined } {
  const pieces = piecesOf(value, decodeBytes)
  // Some programs encode a whole mailbox as one word; accept it.
  if (pieces.length === 1 && pieces[0]?.wasEncoded && MAILBOX.test(pieces[0].text))
    return { text: pieces[0].text, openAt: undefined }
  let text = ''
  let open = ''
  let openAt: number | undefined
  let depth = 0
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
      // The parser knows one level of comments, one bracket, and takes the first bracket for the address.
      const isNested = open === '(' && (character === '(' || (character === ')' && depth > 0))
      if (isNested) {
        depth += character === '(' ? 1 : -1
        text += ' '
        continue
      }
      if (character === '<' ? open === '<' : character === '>' && open === '' && text.endsWith('>')) continue
      const said = open === '' && character === '<' ? bracketedName(piece.text, at) : undefined
      if (said !== undefined) {
        text += `"<${said}>"`
        at += said.length + 1
        continue
      }
      if (open !== '' && character === CLOSES.get(open)) [open, openAt] = ['', undefined]
      else if (open === '' && CLOSES.has(character)) [open, openAt] = [character, text.length]
      text += open === '"' && character === '@' ? QUOTED_AT : character
    }
  }
  return { text, openAt }
}

// What stands in brackets before an address in brackets is part of a name: "Bo <Sales> <bo@example.com>".
function bracketedName(text: string, at: number): string | undefined {
  const name = /<([^\\"<>@,;]{0,200})>[^\\"<>,;]{0,200}<[^\\"<>,;]{0,320}@/y
  name.lastIndex = at
  return name.exec(text)?.[1]
}

const MAILBOX = /^[^"<>]*<[^\s<>@]+@[^\s<>@]+>$/

function within(open: string, decoded: string): string {
  if (open === '(') return decoded.replace(/[()\\]/g, ' ')
  if (open === '<' || (open === '' && !NEEDS_QUOTES.test(decoded))) return decoded
  const text = decoded.replaceAll('@', QUOTED_AT).replace(/["\\]/g, '\\$&')
  return open === '"' ? text : `"${text}"`
}
