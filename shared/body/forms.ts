/** What one form of a text says beyond another. With `isCut` the forms are longer than what was compared. */
export interface FormsCompared {
  plainAdds: boolean
  pageAdds: boolean
  isCut: boolean
}

/** The words of a text as numbers. */
interface Words {
  list: readonly number[]
  isCut: boolean
}

/** The numbers of all words, and which of those hold a digit. */
interface Numbers {
  byWord: Map<string, number>
  numeric: Set<number>
}

const MOST_WORDS = 10_000
// Programs differ in how they write links, images and notes about them.
const REFERENCES =
  /\b(?:https?|ftp|mailto|cid|file|tel):[^\s<>[\]()]+|\bwww\.[^\s<>[\]()]+|\[(?:image|cid|inline)\b[^[\]\n]{0,200}\]|\[\d{1,3}\]/gi
// Scripts without blanks between words: each character counts as one.
const WORD =
  /[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]|(?:(?![\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff])[\p{L}\p{M}\p{N}])+/gu
const RUN = 3
// Fewer words in a row may be a label, a greeting or another order.
const MOST_IN_A_ROW = 4
// The share of words that one form may lack, as a divisor.
const MOST_ABSENT = 10
const BASE = MOST_WORDS * 2 + 1

/**
 * Compares the words of a plain text and of the visible text of its page, without links and images. One adds to the other if it has a number
 * that the other lacks, five words in a row, or a tenth of its words. Takes linear time.
 */
export function compareForms(plain: string, page: string): FormsCompared {
  const numbers: Numbers = { byWord: new Map(), numeric: new Set() }
  const [one, other] = [wordsIn(plain, numbers), wordsIn(page, numbers)]
  const isNumeric = (word: number) => numbers.numeric.has(word)
  return {
    plainAdds: adds(one, other, isNumeric),
    pageAdds: adds(other, one, isNumeric),
    isCut: one.isCut || other.isCut,
  }
}

function wordsIn(text: string, { byWord, numeric }: Numbers): Words {
  const list: number[] = []
  for (const [word] of text.normalize('NFKC').toLowerCase().replace(REFERENCES, ' ').matchAll(WORD)) {
    if (list.length === MOST_WORDS) return { list, isCut: true }
    const number = byWord.get(word) ?? byWord.size
    if (number === byWord.size) {
      byWord.set(word, number)
      if (/\p{N}/u.test(word)) numeric.add(number)
    }
    list.push(number)
  }
  return { list, isCut: false }
}

function adds(one: Words, other: Words, isNumeric: (word: number) => boolean): boolean {
  const known = new Set(other.list)
  const absent = one.list.filter(word => !known.has(word))
  if (absent.some(isNumeric) || absent.length * MOST_ABSENT > one.list.length) return true
  const runs = new Set(runsOf(other.list))
  // The place after the last word that stands in a run of both.
  let shared = 0
  let inARow = 0
  for (const [at, run] of runsOf(one.list).entries()) {
    if (runs.has(run)) {
      inARow = Math.max(inARow, at - shared)
      shared = at + RUN
    }
  }
  return Math.max(inARow, one.list.length - shared) > (shared === 0 ? RUN : 0) + MOST_IN_A_ROW
}

function runsOf(words: readonly number[]): number[] {
  return words.slice(RUN - 1).map((word, at) => ((words[at] ?? 0) * BASE + (words[at + 1] ?? 0)) * BASE + word)
}
