/** A line of a mail: `depth` counts its quote marks, and its words are `wordAt` to `wordEnd` of all words. */
export interface Line {
  text: string
  depth: number
  wordAt: number
  wordEnd: number
}

/** The words of several mails, oldest first, and which of them stand in a passage of earlier mail. */
export interface Passages {
  /** The lines of each mail. */
  mails: readonly (readonly Line[])[]
  /** Returns the earlier mail that holds every word of a line in passages of at least `least` words. */
  holderOf(line: Line, least: number): number | undefined
}

// Shorter ones occur by chance.
const PASSAGE_WORDS = 5

const MARKS = /^(?: ?>)+/
const WORD = /[\p{L}\p{M}\p{N}]+/gu
// Scripts that put no blanks between words: each character counts as a word.
const UNSPACED = /[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]/
// Nobody can make a search longer than this by choosing words.
const MOST_PROBES = 16

/** Finds passages of earlier mail in later mail. Takes linear time; reads at most `mostWords` words, and reports no passage beyond. */
export function findPassages(oldestFirst: readonly string[], mostWords: number): Passages {
  const { words, mails } = readWords(oldestFirst, mostWords)
  const owners = new Int32Array(words.length).fill(-1)
  const lengths = new Int32Array(words.length)
  const seen = openIndex(words)
  let start = 1
  const mailOf = new Int32Array(words.length)
  for (const [mail, lines] of mails.entries()) {
    const end = lines.at(-1)?.wordEnd ?? start
    mailOf.fill(mail, start, end)
    for (let at = start; at + PASSAGE_WORDS <= end; ) {
      const found = seen.find(at)
      if (found === undefined) {
        at += 1
        continue
      }
      let length = PASSAGE_WORDS
      while (at + length < end && words[at + length] === words[found + length]) length += 1
      for (let place = at; place < at + length; place++) {
        if ((lengths[place] ?? 0) >= length) continue
        lengths[place] = length
        owners[place] = mailOf[found] ?? -1
      }
      at += Math.max(1, length - PASSAGE_WORDS + 1)
    }
    for (let at = start; at + PASSAGE_WORDS <= end; at++) seen.add(at)
    start = end + 1
  }

  return {
    mails,
    holderOf({ wordAt, wordEnd }, least) {
      const owner = owners[wordAt]
      if (wordAt === wordEnd || owner === undefined || owner < 0) return undefined
      for (let place = wordAt; place < wordEnd; place++) {
        if (owners[place] !== owner || (lengths[place] ?? 0) < least) return undefined
      }
      return owner
    },
  }
}

function readWords(texts: readonly string[], mostWords: number) {
  const numbers = new Map<string, number>()
  // A zero between mails belongs to no passage.
  const words: number[] = [0]
  const add = (word: string) => {
    const known = numbers.get(word)
    const number = known ?? numbers.size + 1
    if (known === undefined) numbers.set(word, number)
    words.push(number)
  }
  const mails = texts.map(text => {
    const lines = text.split('\n').map((line): Line => {
      const marks = MARKS.exec(line)?.[0] ?? ''
      const wordAt = words.length
      if (wordAt < mostWords)
        for (const [word] of line.matchAll(WORD)) {
          if (UNSPACED.test(word)) for (const character of word) add(character)
          else add(word)
        }
      return { text: line, depth: marks.replaceAll(' ', '').length, wordAt, wordEnd: words.length }
    })
    words.push(0)
    return lines
  })
  return { words: Int32Array.from(words), mails }
}

// An index of passages by their first words. Of equal passages it keeps the oldest.
function openIndex(words: Int32Array) {
  let size = 16
  while (size < words.length * 2) size *= 2
  const places = new Int32Array(size)

  function slotOf(at: number): number {
    let hash = 0
    for (let place = at; place < at + PASSAGE_WORDS; place++)
      hash = Math.imul(hash ^ (words[place] ?? 0), 0x9e3779b1) ^ (hash >>> 15)
    return hash ^ (hash >>> 13)
  }

  function isSame(at: number, other: number): boolean {
    for (let offset = 0; offset < PASSAGE_WORDS; offset++)
      if (words[at + offset] !== words[other + offset]) return false
    return true
  }

  return {
    find(at: number): number | undefined {
      const slot = slotOf(at)
      for (let probe = 0; probe < MOST_PROBES; probe++) {
        const place = places[(slot + probe) & (size - 1)] ?? 0
        if (place === 0) return undefined
        if (isSame(at, place)) return place
      }
      return undefined
    },
    add(at: number): void {
      const slot = slotOf(at)
      for (let probe = 0; probe < MOST_PROBES; probe++) {
        const slotAt = (slot + probe) & (size - 1)
        const place = places[slotAt] ?? 0
        if (place === 0) places[slotAt] = at
        if (place === 0 || isSame(at, place)) return
      }
    },
  }
}
