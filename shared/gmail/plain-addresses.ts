import type { Address } from '../message.ts'
import { oneLine } from '../text.ts'

/** The addresses at the beginning of a list that need no parser, and the rest of the list. */
export interface PlainAddresses {
  people: Address[]
  rest: string
}

const LONGEST_NAME = 200
const PLAIN_NAME = /^[\p{L}\d_'. -]+$/u
const UNFIT_IN_QUOTES = /[\\@=\p{C}]/u
const PLAIN_ADDRESS = /^[\w.+-]{1,64}@[a-z\d.-]{1,255}$/i
// An address that ends an entry; names may hold others.
const COUNTED = /@[^\s"<>,;()@]{1,255}>?\s{0,3}(?=[,;]|$)/g

/**
 * Reads entries such as `Bo <bo@example.com>` up to the first one that takes a parser, which would read the same. Takes a hundredth of
 * the parser's time.
 */
export function readPlain(list: string): PlainAddresses {
  const people: Address[] = []
  let at = 0
  while (at < list.length) {
    const { name, restAt } = quotedName(list, at)
    if (restAt < at) break
    const comma = list.indexOf(',', restAt)
    const end = comma < 0 ? list.length : comma
    const person = personIn(name, list.slice(restAt, end).trim())
    if (!person) break
    people.push(person)
    at = end + 1
  }
  return { people, rest: list.slice(at) }
}

// Nothing follows a name that never ends.
function quotedName(list: string, at: number): { name?: string; restAt: number } {
  const start = at + (list.charAt(at) === ' ' ? 1 : 0)
  if (list.charAt(start) !== '"') return { restAt: at }
  const restAt = list.indexOf('"', start + 1) + 1
  return { name: list.slice(start + 1, restAt - 1), restAt }
}

// A name of words, or in quotation marks, and an address in brackets, or an address alone.
function personIn(quoted: string | undefined, text: string): Address | undefined {
  if (quoted === undefined && PLAIN_ADDRESS.test(text)) return { name: '', address: text }
  const bracket = text.indexOf('<')
  const before = text.slice(0, Math.max(0, bracket))
  const name = oneLine(quoted ?? before)
  const isPlain = quoted === undefined ? PLAIN_NAME.test(before) : before === '' && !UNFIT_IN_QUOTES.test(quoted)
  const address = text.slice(bracket + 1, -1)
  const isAddressed = bracket >= 0 && text.endsWith('>') && PLAIN_ADDRESS.test(address)
  return isPlain && isAddressed && name !== '' && name.length <= LONGEST_NAME ? { name, address } : undefined
}

/** Counts the addresses of a list without reading them. */
export function countAddresses(list: string): number {
  let count = 0
  for (const match of list.matchAll(COUNTED)) count += match.length
  return count
}
