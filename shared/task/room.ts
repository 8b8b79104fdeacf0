import type { Address, Message } from '../message.ts'
import { fits, fitText, NO_SIZE, plus, type Size, share, sizeOf } from './size.ts'

/** The people, labels and subjects that a task's messages have in common. */
export interface CommonParts {
  /** Keyed by lower-case address, or by name where there is no address. */
  people: ReadonlyMap<string, Address>
  labels: ReadonlySet<string>
  /** A subject, a name or an address is cut. */
  isCut: boolean
  /** How many people and labels are omitted. */
  morePeople(): number
  moreLabels(): number
  /** Returns how much a message adds to the size, and a function that adds it. */
  withMessage(message: Message): { size: Size; join: () => void }
}

// The fraction of the whole that each of these may take, as a divisor.
const PARTICIPANTS = 5
const LABELS = 16
const SUBJECT = 16
const NAME = 32
// A line of a mail has at most 998 characters (RFC 5322, 2.1.1), an address 254 (RFC 5321, 4.5.3.1).
const LONGEST_SUBJECT = 998
const LONGEST_NAME = 200
const LONGEST_ADDRESS = 320
const LONGEST_LABEL = 256

/** Creates the empty common parts of a task of this size; `labelsOf` returns the labels of a message that the task names. */
export function createCommonParts(room: Size, labelsOf: (message: Message) => readonly string[]): CommonParts {
  const people = new Map<string, Address>()
  const labels = new Set<string>()
  const omitted = { people: new Set<string>(), labels: new Set<string>() }
  const taken = { people: NO_SIZE, labels: NO_SIZE, subject: NO_SIZE }
  const common = {
    people,
    labels,
    isCut: false,
    morePeople: () => omitted.people.size,
    moreLabels: () => omitted.labels.size,
    withMessage,
  }
  return common

  function withMessage(message: Message) {
    const named = newPeople(message)
    const marks = newLabels(message)
    // The task's subject is that of its oldest message; the longest one is budgeted.
    const subject = cutSubject(message.subject, room)
    const longer = above(sizeOf(subject), taken.subject)
    const join = () => {
      for (const [key, person] of named.added) people.set(key, person)
      for (const label of marks.added) labels.add(label)
      for (const key of named.omitted) omitted.people.add(key)
      for (const label of marks.omitted) omitted.labels.add(label)
      taken.people = plus(taken.people, named.size)
      taken.labels = plus(taken.labels, marks.size)
      taken.subject = plus(taken.subject, longer)
      common.isCut ||= named.isCut || subject !== message.subject
    }
    return { size: plus(named.size, marks.size, longer), join }
  }

  function newPeople({ from, to, cc }: Message) {
    const added = new Map<string, Address>()
    const left = new Set<string>()
    let size = NO_SIZE
    let [isCut, isFull] = [false, false]
    for (const person of [...from, ...to, ...cc]) {
      const key = keyOf(person)
      const known = added.get(key) ?? people.get(key)
      if ((known && (known.name !== '' || person.name === '')) || left.has(key)) continue
      const short = isFull ? undefined : shortened(person, room)
      const own = short ? sizeOf({ ...short, role: 'owner' }) : NO_SIZE
      const isFit = short && fits(plus(taken.people, size, own), share(room, PARTICIPANTS))
      isFull ||= short !== undefined && !isFit
      if (!isFit && !known) left.add(key)
      if (!isFit) continue
      isCut ||= short.name !== person.name
      added.set(key, short)
      size = plus(size, own)
    }
    return { added, omitted: left, size, isCut }
  }

  function newLabels(message: Message) {
    const added = new Set<string>()
    const left = new Set<string>()
    let size = NO_SIZE
    for (const label of labelsOf(message)) {
      if (labels.has(label) || added.has(label)) continue
      const own = sizeOf(label.slice(0, LONGEST_LABEL))
      const isFit = label.length <= LONGEST_LABEL && fits(plus(taken.labels, size, own), share(room, LABELS))
      if (!isFit) left.add(label)
      else {
        added.add(label)
        size = plus(size, own)
      }
    }
    return { added, omitted: left, size }
  }
}

/** Returns the key that identifies a person. */
export function keyOf({ name, address }: Address): string {
  return address.toLowerCase() || name
}

/**
 * Returns a person with a name of bounded length, for a task of this size; `undefined` where the address is too long, because half an
 * address may be another's.
 */
export function shortened({ name, address }: Address, room: Size): Address | undefined {
  if (address.length > LONGEST_ADDRESS) return undefined
  return { name: fitText(name, LONGEST_NAME, share(room, NAME)), address }
}

/** Cuts a subject to its share of a task of this size. */
export function cutSubject(subject: string, room: Size): string {
  return fitText(subject, LONGEST_SUBJECT, share(room, SUBJECT))
}

function above(size: Size, taken: Size): Size {
  return { tokens: Math.max(0, size.tokens - taken.tokens), bytes: Math.max(0, size.bytes - taken.bytes) }
}
