import type { MessageId } from '../message.ts'
import { findPassages, type Line } from './passages.ts'
import { signatureAt } from './signature.ts'

/** A mail to trim. Nothing of a forward is trimmed. */
export interface Untrimmed {
  id: MessageId
  text: string
  isForward?: boolean
}

/** How much was removed from a mail because the earlier mail `from` holds it. */
export interface Removed {
  from: MessageId
  lines: number
  words: number
}

/** A mail without quotes, signature and footer. `signature` counts the characters of the latter two. */
export interface Trimmed {
  id: MessageId
  text: string
  removed: Removed[]
  signature: number
}

// About the words that 2 MB of text have; a task holds far fewer.
const MOST_WORDS = 200_000
const MARKED_WORDS = 5
const UNMARKED_WORDS = 5
const QUESTION_WORDS = 40
const SENTENCE_END = /[.!?:…。！？؟।۔]["'”’»)\]]{0,3} {0,3}$/
const SENTENCE_START = /[.!?…。！？؟।۔]["'”’»)\]]{0,3} +[^ ]/

/**
 * Removes from each mail the lines that an earlier one of these mails holds, and names that mail. A quote with an answer below keeps its
 * end, as the question. Knows no language, and takes linear time.
 */
export function trimQuotes(oldestFirst: readonly Untrimmed[]): Trimmed[] {
  const { mails, holderOf } = findPassages(
    oldestFirst.map(({ text }) => text),
    MOST_WORDS,
  )
  return oldestFirst.map((mail, place) => {
    const lines = mails[place] ?? []
    if (mail.isForward) return { id: mail.id, text: mail.text, removed: [], signature: 0 }
    const holders = lines.map(line => holderOf(line, line.depth > 0 ? MARKED_WORDS : UNMARKED_WORDS))
    const end = signatureAt(lines.map(({ text }) => text))
    keepQuestions(lines.slice(0, end), holders)
    const removed = lines.flatMap((line, at) => {
      const from = oldestFirst[holders[at] ?? -1]?.id
      return from === undefined ? [] : [{ from, lines: 1, words: line.wordEnd - line.wordAt }]
    })
    const signature = lines
      .slice(end)
      .reduce((sum, { text }, at) => sum + (holders[end + at] === undefined ? text.length + 1 : 0), 0)
    const isKept = (at: number) => at < end && holders[at] === undefined
    return { id: mail.id, text: joined(lines, isKept), removed: summed(removed), signature }
  })
}

// A quote keeps its last sentence where new text follows.
function keepQuestions(lines: readonly Line[], holders: (number | undefined)[]): void {
  let left = 0
  let below: Line | undefined
  for (const [at, line] of [...lines.entries()].reverse()) {
    const words = line.wordEnd - line.wordAt
    if (words === 0) {
      if (below) left = 0
    } else if (holders[at] === undefined) {
      left = line.depth === 0 ? QUESTION_WORDS : 0
      below = undefined
    } else if (left > 0 && !(below && (below.depth !== line.depth || SENTENCE_END.test(line.text)))) {
      holders[at] = undefined
      left = SENTENCE_START.test(line.text) ? 0 : left - words
      below = line
    } else left = 0
  }
}

// Lines without words stay between lines that stay, marks of a quote only within it, and one where lines are missing.
function joined(lines: readonly Line[], isKept: (at: number) => boolean): string {
  const kept: string[] = []
  let between: Line[] = []
  let hasGap = false
  let depth = 0
  for (const [at, line] of lines.entries()) {
    if (!isKept(at)) hasGap = true
    else if (line.wordAt === line.wordEnd && (line.depth > 0 || line.text.trim() === '')) between.push(line)
    else {
      const fitting = between.filter(other => other.depth === 0 || (depth > 0 && line.depth > 0))
      if (kept.length > 0) kept.push(...fitting.slice(0, hasGap ? 1 : fitting.length).map(({ text }) => text))
      kept.push(line.text)
      depth = line.depth
      between = []
      hasGap = false
    }
  }
  return kept.join('\n')
}

function summed(removed: readonly Removed[]): Removed[] {
  const sums = new Map<MessageId, Removed>()
  for (const { from, lines, words } of removed) {
    const sum = sums.get(from)
    sums.set(from, { from, lines: lines + (sum?.lines ?? 0), words: words + (sum?.words ?? 0) })
  }
  return [...sums.values()]
}
