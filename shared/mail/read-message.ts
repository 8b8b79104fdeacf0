import { type Address, type Message, UNREADABLE } from '../message.ts'
import { type Decode, type Reading, readHeader, UNREAD } from './words.ts'

// Providers report an unset date as 1970 or as the year 1. Readers of tasks expect years of four digits.
const EARLIEST_MS = Date.UTC(1971, 0, 1)
const LATEST_MS = Date.UTC(9999, 11, 31)
const LONGEST_DATE = 100

/** Returns whether a time (ms since 1970) is a plausible receipt date. */
export function isReceived(ms: number | undefined): ms is number {
  return ms !== undefined && ms >= EARLIEST_MS && ms <= LATEST_MS
}

/**
 * Returns when a message was received, in ms since 1970: the first plausible time, the provider's before the sender's. Otherwise returns
 * when the message was read, so that it is neither lost nor dated 1970; without that, the first time given.
 */
export function receivedAt(said: readonly (number | undefined)[], readAt?: number): number | undefined {
  return said.find(isReceived) ?? readAt ?? said.find(ms => ms !== undefined)
}

/** Parses a date as mails and APIs write it, to ms since 1970; returns `undefined` for anything else. */
export function dateIn(text: string | null | undefined): number | undefined {
  const ms = Date.parse((text ?? '').slice(0, LONGEST_DATE))
  return Number.isNaN(ms) ? undefined : ms
}

/** The human-written parts of a message, each as far as it could be read. */
export interface Readings {
  subject: Reading
  from: People
  to: People
  cc: People
  snippet: Reading
}

/** Returns these parts as message fields; `unreadable` names those that could not be read in full, for every provider alike. */
export function writtenParts(read: Readings): Pick<Message, keyof Readings | 'unreadable' | 'more'> {
  const unreadable = UNREADABLE.filter(name => !read[name].isWhole)
  const people = (read.to.more ?? 0) + (read.cc.more ?? 0)
  return {
    subject: read.subject.text,
    from: read.from.people,
    to: read.to.people,
    cc: read.cc.people,
    snippet: read.snippet.text,
    ...(unreadable.length > 0 ? { unreadable } : {}),
    ...(people > 0 ? { more: { people } } : {}),
  }
}

/** The people whom a header names, and whether the header could be read in full; `more` counts those that were not read. */
export interface People {
  people: Address[]
  isWhole: boolean
  more?: number
}

/**
 * Reads people whose names and addresses are already separate. A name that only repeats the address is dropped. An invalid address serves
 * as the name where there is none; a lone name never becomes an address. People with neither are omitted.
 */
export function readPeople(given: readonly Address[], decode: Decode): People {
  const read = given.map(person => readPerson(person, decode))
  return {
    people: read.flatMap(({ person }) => (person.name === '' && person.address === '' ? [] : [person])),
    isWhole: read.every(({ isWhole }) => isWhole),
  }
}

function readPerson(given: Address, decode: Decode): { person: Address; isWhole: boolean } {
  const { text: name, isWhole } = readHeader(given.name, decode)
  const written = readHeader(given.address, decode)
  const address = bare(written.text)
  const isSame = bare(unquoted(name)).toLowerCase() === address.toLowerCase()
  const wasRead = isWhole && written.isWhole
  if (address.includes(UNREAD)) return { person: { name, address: '' }, isWhole: false }
  if (isAddress(address)) return { person: { name: isSame ? '' : name, address }, isWhole: wasRead }
  // Within one host a name without a domain is a valid address; people's names have spaces.
  const isLocal = address !== '' && !isSame && name !== '' && !/[\s"(),:;<>@[\\\]]/.test(address)
  return { person: { name: name || address, address: isLocal ? address : '' }, isWhole: wasRead }
}

function isAddress(text: string): boolean {
  return /^(?:[^\s"<>(),;]+|"[^"]*")@[^\s@<>(),;]+$/.test(text)
}

// Strips brackets, a scheme, and the obsolete route before a colon.
function bare(address: string): string {
  return address
    .replace(/^[<\s]+|(?<![>\s])[>\s]+$/g, '')
    .replace(/^mailto:/i, '')
    .replace(/^@[^:]*:/, '')
    .replace(/ {0,9}([@.]) {0,9}/g, '$1')
}

function unquoted(name: string): string {
  return name.replace(/^(['"])(.*)\1$/, '$2').trim()
}
