import type { Address } from '../message.ts'
import { type Decode, readHeader, UNREAD } from './words.ts'

/** The people whom a header names, and whether the header could be read in full. */
export interface People {
  people: Address[]
  isWhole: boolean
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
