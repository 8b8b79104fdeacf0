import type { Address } from '../message.ts'
import { type Decode, readHeader, UNREAD } from './words.ts'

/** Whom a header names, and whether all of it could be read. */
export interface People {
  people: Address[]
  isWhole: boolean
}

/**
 * Reads people whose names and addresses are apart already. A name that only repeats the address is none. What is no address is a name where
 * there is no other; a lone name is never an address. Those without either are left out.
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
  // Within one host a name without a domain will do; people's names have spaces.
  const isLocal = address !== '' && !isSame && name !== '' && !/[\s"(),:;<>@[\\\]]/.test(address)
  return { person: { name: name || address, address: isLocal ? address : '' }, isWhole: wasRead }
}

function isAddress(text: string): boolean {
  return /^(?:[^\s"<>(),;]+|"[^"]*")@[^\s@<>(),;]+$/.test(text)
}

// Without brackets, a scheme, or the obsolete route before a colon.
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
