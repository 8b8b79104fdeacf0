import type { Line, ReadMail } from './lines.ts'

/** Which words of later mail stand in passages of earlier mail. */
export interface Passages {
  /**
   * Returns the place of an earlier mail that holds all words of a line in one run, each in a passage of at least `least` words: the oldest mail
   * that has them, or else the one where the longest passages stand, which may have some from older mail (`isCopy`).
   */
  holderOf(line: Line, least: number): { holder: number; isCopy: boolean } | undefined
}

// Shorter passages occur by chance.
const SHORTEST = 5
// Nobody can make a search longer by choosing words.
const MOST_PROBES = 16

/**
 * Finds passages that a mail has in common with an earlier one at a place that `canHold`. The oldest such mail that has the words holds them.
 * Takes linear time.
 */
export function findPassages({ mails, words }: ReadMail, canHold: (place: number) => boolean = () => true): Passages {
  // Where each word stands in the oldest mail; zero for a new word.
  const origins = new Int32Array(words.length)
  const lengths = new Int32Array(words.length)
  // Where each word stands in the longest passage. A stock phrase within it may be older.
  const copies = new Int32Array(words.length)
  const copyLengths = new Int32Array(words.length)
  const mailOf = new Int32Array(words.length)
  const seen = openIndex(words)

  // A passage may begin above a stock phrase that an older mail has, but not above `top`, so that time stays linear.
  function markCopy(at: number, length: number, other: number, top: number): void {
    let back = 0
    while (at - back > top && words[at - back - 1] === words[other - back - 1]) back += 1
    for (let offset = -back; offset < length; offset++) {
      if ((copyLengths[at + offset] ?? 0) >= length + back) continue
      copyLengths[at + offset] = length + back
      copies[at + offset] = other + offset
    }
  }

  // What the other mail has from an older one is held by that one, if it is a passage by itself.
  function mark(at: number, length: number, other: number): void {
    const originOf = (place: number) => origins[place] || place
    for (let from = 0, to = 1; from < length; from = to, to += 1) {
      while (to < length && originOf(other + to) === originOf(other + to - 1) + 1) to += 1
      if (to - from < SHORTEST) continue
      for (let offset = from; offset < to; offset++) {
        if ((lengths[at + offset] ?? 0) >= length) continue
        lengths[at + offset] = length
        origins[at + offset] = originOf(other + offset)
      }
    }
  }

  let start = 1
  for (const [place, lines] of mails.entries()) {
    if (!lines) continue
    const end = words.indexOf(0, start)
    mailOf.fill(place, start, end)
    let top = start
    for (let at = start; at + SHORTEST <= end; ) {
      const other = seen.find(at)
      const length = other === undefined ? 0 : lengthOf(words, at, other)
      if (other !== undefined) {
        mark(at, length, other)
        markCopy(at, length, other, top)
        top = at
      }
      // The last words may begin a passage of another mail.
      at += Math.max(1, length - SHORTEST + 1)
    }
    if (canHold(place)) for (let at = start; at + SHORTEST <= end; at++) seen.add(at)
    start = end + 1
  }

  const inOrigins = holderIn(mailOf, origins, lengths)
  const inCopies = holderIn(mailOf, copies, copyLengths)
  return {
    holderOf(line, least) {
      const origin = inOrigins(line, least)
      const holder = origin ?? inCopies(line, least)
      return holder === undefined ? undefined : { holder, isCopy: origin === undefined }
    },
  }
}

function lengthOf(words: Int32Array, at: number, other: number): number {
  let length = SHORTEST
  while (words[at + length] !== 0 && words[at + length] === words[other + length]) length += 1
  return length
}

function holderIn(mailOf: Int32Array, places: Int32Array, sizes: Int32Array) {
  return ({ wordAt, wordEnd }: Line, least: number): number | undefined => {
    const first = places[wordAt] ?? 0
    if (wordAt === wordEnd || first === 0) return undefined
    const holder = mailOf[first]
    for (let place = wordAt; place < wordEnd; place++) {
      const other = places[place] ?? 0
      // A gap is a word of the earlier mail that this line leaves out.
      const isNext = other === first + place - wordAt
      if (!isNext || mailOf[other] !== holder || (sizes[place] ?? 0) < least) return undefined
    }
    return holder
  }
}

// Places of passages by their first words.
function openIndex(words: Int32Array) {
  let size = 16
  while (size < words.length * 2) size *= 2
  const places = new Int32Array(size)

  function slotOf(at: number): number {
    let hash = 0
    for (let place = at; place < at + SHORTEST; place++) {
      hash = Math.imul(hash ^ (words[place] ?? 0), 0x9e3779b1)
      hash ^= hash >>> 15
    }
    return hash
  }

  function isSame(at: number, other: number): boolean {
    for (let offset = 0; offset < SHORTEST; offset++) {
      if (words[at + offset] !== words[other + offset]) return false
    }
    return true
  }

  // The slot that has these words, or is free for them.
  function findSlot(at: number): number | undefined {
    const first = slotOf(at)
    for (let probe = 0; probe < MOST_PROBES; probe++) {
      const slot = (first + probe) & (size - 1)
      const place = places[slot] ?? 0
      if (place === 0 || isSame(at, place)) return slot
    }
    return undefined
  }

  return {
    find(at: number): number | undefined {
      const place = places[findSlot(at) ?? -1] ?? 0
      return place === 0 ? undefined : place
    },
    add(at: number): void {
      const slot = findSlot(at)
      if (slot !== undefined && places[slot] === 0) places[slot] = at
    },
  }
}
