import type { MessageId } from '../message.ts'
import { judgeLines, type Verdict } from './verdicts.ts'

/** A mail to trim. Nothing of a forward is trimmed (`forwardsIn` finds them), and nothing goes for a mail that `holdsNothing`. */
export interface Untrimmed {
  id: MessageId
  text: string
  isForward?: boolean
  holdsNothing?: boolean
}

/** How much was removed from a mail because the earlier mail `from` holds it. */
export interface Removed {
  from: MessageId
  lines: number
  words: number
  /** With the ends of the lines. */
  characters: number
  /** That mail may have some of it as a quote of its own. */
  isCopy?: boolean
}

/** A mail without quotes, signature and footer. `signature` counts the characters of the latter two. */
export interface Trimmed {
  id: MessageId
  text: string
  removed: Removed[]
  signature: number
}

/**
 * Removes from each mail the lines that an earlier one of these mails holds, and names that mail. A quote with an answer below keeps its
 * last sentence, as the question. A mail that only repeats others keeps what is not marked as a quote. Knows no language, and takes
 * linear time.
 */
export function trimQuotes(oldestFirst: readonly Untrimmed[]): Trimmed[] {
  const judged = judgeLines(oldestFirst)
  return oldestFirst.map(({ id, text }, place) => {
    const verdicts = judged[place]
    if (!verdicts) return { id, text, removed: [], signature: 0 }
    const removed = verdicts.flatMap(({ line, fate, holder, isCopy }) => {
      const from = fate === 'quote' ? oldestFirst[holder ?? -1]?.id : undefined
      return from === undefined
        ? []
        : [
            {
              from,
              lines: 1,
              words: line.wordEnd - line.wordAt,
              characters: line.text.length + 1,
              ...(isCopy ? { isCopy } : {}),
            },
          ]
    })
    const signature = verdicts.reduce(
      (sum, { line, fate }) => sum + (fate === 'signature' ? line.text.length + 1 : 0),
      0,
    )
    return { id, text: joined(verdicts), removed: summed(removed), signature }
  })
}

// Lines without words stay between lines that stay: marks within a quote, and one line where others are missing.
function joined(verdicts: readonly Verdict[]): string {
  const kept: string[] = []
  let between: Verdict['line'][] = []
  let hasGap = false
  let isInQuote = false
  for (const { line, fate } of verdicts) {
    const isMarked = line.depth > 0
    if (fate === 'quote' || fate === 'signature') hasGap = true
    else if (line.wordAt === line.wordEnd && (isMarked || line.text.trim() === '')) between.push(line)
    else {
      const fitting = between.filter(({ depth }) => depth === 0 || (isInQuote && isMarked))
      if (kept.length > 0) kept.push(...fitting.slice(0, hasGap ? 1 : fitting.length).map(({ text }) => text))
      kept.push(line.text)
      isInQuote = isMarked
      between = []
      hasGap = false
    }
  }
  return kept.join('\n')
}

function summed(removed: readonly Removed[]): Removed[] {
  const sums = new Map<MessageId, Removed>()
  for (const { from, isCopy, ...more } of removed) {
    const sum: Removed = sums.get(from) ?? { from, lines: 0, words: 0, characters: 0 }
    sums.set(from, {
      from,
      lines: sum.lines + more.lines,
      words: sum.words + more.words,
      characters: sum.characters + more.characters,
      ...(isCopy || sum.isCopy ? { isCopy: true } : {}),
    })
  }
  return [...sums.values()]
}
