/** A line of a mail. `depth` counts its quote marks; its words, which include symbols, are those from `wordAt` to `wordEnd` of all mail. */
export interface Line {
  text: string
  depth: number
  wordAt: number
  wordEnd: number
  /** Its script puts no blanks between words, so each character counts as one. */
  isUnspaced: boolean
}

/** All words as numbers, with a zero before, between and after the mails, and the lines of each mail; `undefined` for one that was not read. */
export interface ReadMail {
  mails: readonly (readonly Line[] | undefined)[]
  words: Int32Array
}

const MARKS = /^ {0,3}>(?: ?>){0,50}/
const ALL_MARKS = /^[ >]+/
// A sign or a separator belongs to the number behind it, and "?" or "!" to the word before it. Symbols in a row and an empty box are a word.
const WORD = /(?:[-–.,:/](?=\p{N}))?[\p{L}\p{M}\p{N}]+[?!？！؟]*|[-–]?[\p{S}%‰#?!？！؟][\p{S}\p{M}%‰#?!？！؟]*|\[ ?\]/gu
/** Thai, Lao, Burmese, Khmer, and the scripts of Japanese and Chinese, which put no blanks between words. */
export const UNSPACED = /[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]/

/**
 * Reads mails, given oldest first, the newest first, as long as they have at most `most` words and lines together. The others are not read,
 * nor is a mail in part.
 */
export function readLines(oldestFirst: readonly string[], most: number): ReadMail {
  const numbers = new Map<string, number>()
  const read: { lines: Line[]; words: number[] }[] = []
  let left = most
  for (const text of oldestFirst.toReversed()) {
    const mail = readMail(text, numbers, left)
    if (!mail) break
    left -= mail.words.length + mail.lines.length
    read.unshift(mail)
  }
  const words = [0]
  const mails = read.map(mail => {
    const start = words.length
    for (const word of mail.words) words.push(word)
    words.push(0)
    return mail.lines.map(line => ({ ...line, wordAt: start + line.wordAt, wordEnd: start + line.wordEnd }))
  })
  const unread = oldestFirst.slice(mails.length).map(() => undefined)
  return { mails: [...unread, ...mails], words: Int32Array.from(words) }
}

function readMail(
  text: string,
  numbers: Map<string, number>,
  most: number,
): { lines: Line[]; words: number[] } | undefined {
  const lines: Line[] = []
  const words: number[] = []
  const add = (word: string) => {
    const number = numbers.get(word) ?? numbers.size + 1
    if (number > numbers.size) numbers.set(word, number)
    words.push(number)
  }
  for (const line of text.split('\n', most + 1)) {
    const wordAt = words.length
    let isUnspaced = false
    const depth = MARKS.exec(line)?.[0].replaceAll(' ', '').length ?? 0
    for (const [word] of (depth > 0 ? line.replace(ALL_MARKS, '') : line).matchAll(WORD)) {
      const isOne = !UNSPACED.test(word)
      if (isOne) add(word)
      else for (const character of word) add(character)
      isUnspaced ||= !isOne
    }
    lines.push({ text: line, depth, wordAt, wordEnd: words.length, isUnspaced })
    if (words.length + lines.length > most) return undefined
  }
  return { lines, words }
}
