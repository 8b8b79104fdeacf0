import type { Address, Message } from '../message.ts'
import { cutText } from '../text.ts'

// The fraction of the whole that each of these may take, as a divisor.
const PARTICIPANTS = 8
const LABELS = 16
const SUBJECT = 16
// A line of a mail has at most 998 characters (RFC 5322, 2.1.1), an address 254 (RFC 5321, 4.5.3.1).
const LONGEST_SUBJECT = 998
const LONGEST_NAME = 200
const LONGEST_ADDRESS = 320
const LONGEST_LABEL = 256

/** The length of a value as JSON: in UTF-16 code units and in UTF-8 bytes. */
export interface Size {
  characters: number
  bytes: number
}

const NO_SIZE: Size = { characters: 0, bytes: 0 }

/** Returns the size of a value as JSON, with the comma that follows it in a list. */
export function sizeOf(value: unknown): Size {
  const json = JSON.stringify(value)
  return { characters: json.length + 1, bytes: Buffer.byteLength(json) + 1 }
}

/** Adds sizes. */
export function plus(...sizes: readonly Size[]): Size {
  return {
    characters: sizes.reduce((sum, { characters }) => sum + characters, 0),
    bytes: sizes.reduce((sum, { bytes }) => sum + bytes, 0),
  }
}

/** Returns the room that is left; below zero where something does not fit. */
export function minus(room: Size, taken: Size): Size {
  return { characters: room.characters - taken.characters, bytes: room.bytes - taken.bytes }
}

/** Returns whether something fits in a room. */
export function fits(size: Size, room: Size): boolean {
  return size.characters <= room.characters && size.bytes <= room.bytes
}

/** Returns the longest beginning of a text with at most `most` code units that fits into a room as JSON; no character is split. */
export function fitText(text: string, most: number, room: Size): string {
  // The quotes and the comma are always present.
  const empty = sizeOf('')
  const isFit = (some: string) => fits(minus(sizeOf(some), empty), room)
  const whole = cutText(text, most)
  if (isFit(whole)) return whole
  let [low, high] = [0, whole.length]
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if (isFit(cutText(whole, middle))) low = middle
    else high = middle - 1
  }
  return cutText(whole, low)
}

/** The people, labels and subjects that a task's messages have in common. */
export interface CommonParts {
  /** Keyed by lower-case address, or by name where there is no address. */
  people: ReadonlyMap<string, Address>
  labels: ReadonlySet<string>
  /** Some people or labels are omitted, or a subject is cut. */
  isCut: boolean
  /** Returns how much a message adds to the size, and a function that adds it. */
  withMessage(message: Message): { size: Size; join: () => void }
}

/** Creates the empty common parts of a task of so many characters; `labelsOf` returns the labels of a message that the task names. */
export function createCommonParts(characters: number, labelsOf: (message: Message) => readonly string[]): CommonParts {
  const people = new Map<string, Address>()
  const labels = new Set<string>()
  const taken = { people: 0, labels: 0, subject: 0 }
  const common = { people, labels, isCut: false, withMessage }
  return common

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
      common.isCut ||= named.isCut || marks.isCut || cutSubject(message.subject, characters) !== message.subject
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
      const own = short ? sizeOf({ ...short, role: 'owner' }) : NO_SIZE
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
