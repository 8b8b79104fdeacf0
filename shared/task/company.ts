import type { Address, Message } from '../message.ts'
import { cutText } from '../text.ts'
import { fitText, NO_SIZE, plus, type Size, sizeOf } from './size.ts'

/** The people, labels and subjects that a task's messages have in common. */
export interface Company {
  /** Keyed by lower-case address, or by name where there is no address. */
  people: ReadonlyMap<string, Address>
  labels: ReadonlySet<string>
  /** Some people or labels are omitted, or a subject is cut. */
  isCut: boolean
  /** Returns how much a message adds to the size, and a function that adds it. */
  withMessage(message: Message): { size: Size; join: () => void }
}

// The fraction of the whole that each of these may take, as a divisor.
const PARTICIPANTS = 8
const LABELS = 16
const SUBJECT = 16
// A line of a mail has at most 998 characters (RFC 5322, 2.1.1), an address 254 (RFC 5321, 4.5.3.1).
const LONGEST_SUBJECT = 998
const LONGEST_NAME = 200
const LONGEST_ADDRESS = 320
const LONGEST_LABEL = 256

/** Creates an empty company for a task of so many characters; `labelsOf` returns the labels of a message that the task names. */
export function createCompany(characters: number, labelsOf: (message: Message) => readonly string[]): Company {
  const people = new Map<string, Address>()
  const labels = new Set<string>()
  const taken = { people: 0, labels: 0, subject: 0 }
  const company = { people, labels, isCut: false, withMessage }
  return company

  function withMessage(message: Message) {
    const named = newPeople(message)
    const marks = newLabels(message)
    // The task's subject is that of its oldest message; the longest one is budgeted.
    const longer = Math.max(0, sizeOf(cutSubject(message.subject, characters)).bytes - taken.subject)
    const join = () => {
      for (const [key, person] of named.added) people.set(key, person)
      for (const label of marks.added) labels.add(label)
      taken.people += named.size.characters
      taken.labels += marks.size.characters
      taken.subject += longer
      company.isCut ||= named.isCut || marks.isCut || cutSubject(message.subject, characters) !== message.subject
    }
    return { size: plus(named.size, marks.size, { characters: longer, bytes: longer }), join }
  }

  function newPeople({ from, to, cc }: Message) {
    const added = new Map<string, Address>()
    let size = NO_SIZE
    let isCut = false
    for (const person of [...from, ...to, ...cc]) {
      const known = added.get(keyOf(person)) ?? people.get(keyOf(person))
      if (known && (known.name !== '' || person.name === '')) continue
      const short = shortened(person)
      const own = short ? sizeOf(short) : NO_SIZE
      if (taken.people + size.characters + own.characters > characters / PARTICIPANTS)
        return { added, size, isCut: true }
      if (short) added.set(keyOf(person), short)
      else isCut = true
      size = plus(size, own)
    }
    return { added, size, isCut }
  }

  function newLabels(message: Message) {
    const added = new Set<string>()
    let size = NO_SIZE
    let isCut = false
    for (const label of labelsOf(message)) {
      if (labels.has(label) || added.has(label)) continue
      const own = label.length > LONGEST_LABEL ? NO_SIZE : sizeOf(label)
      if (taken.labels + size.characters + own.characters > characters / LABELS) return { added, size, isCut: true }
      if (own === NO_SIZE) isCut = true
      else added.add(label)
      size = plus(size, own)
    }
    return { added, size, isCut }
  }
}

/** Returns the key that identifies a person. */
export function keyOf({ name, address }: Address): string {
  return address.toLowerCase() || name
}

/** Returns a person with a name of bounded length; `undefined` where the address is too long, because half an address may be another's. */
export function shortened({ name, address }: Address): Address | undefined {
  return address.length > LONGEST_ADDRESS ? undefined : { name: cutText(name, LONGEST_NAME), address }
}

/** Cuts a subject to its share of a task of so many characters. */
export function cutSubject(subject: string, characters: number): string {
  const most = characters / SUBJECT
  return fitText(subject, LONGEST_SUBJECT, { characters: most, bytes: 3 * most })
}
