import { forwardAt } from './forwards.ts'
import { type Line, readLines } from './lines.ts'
import { findPassages } from './passages.ts'
import { signatureLines } from './signature.ts'

/**
 * What becomes of a line. `quote`: the earlier mail at the place `holder` holds it, perhaps as a quote (`isCopy`), so it goes. `question`: it is held, too, but what follows
 * answers it, so it stays. `signature`: it belongs to a signature or a footer, and goes.
 */
export interface Verdict {
  line: Line
  fate: 'kept' | 'quote' | 'question' | 'signature'
  holder?: number
  isCopy?: boolean
}

/** A mail to judge. */
interface Judged {
  text: string
  isForward?: boolean
  /** No line goes because this mail holds it. */
  holdsNothing?: boolean
}

// Words and lines: more would block the event loop.
const MOST = 50_000
// Words in a row that are evidence of a quote. People repeat short sentences, but do not mark them.
const MARKED = 5
const UNMARKED = 12
const CHARACTERS_A_WORD = 2
const QUESTION_WORDS = 30
const INTRODUCTION_LINES = 3
const ENDS_SENTENCE = /[\p{Sentence_Terminal}…:：]["'”’»)\]」』]{0,3}\s{0,3}$/u
const STARTS_SENTENCE = /[\p{Sentence_Terminal}…]["'”’»)\]」』]{0,3}\s{1,3}\S/u
const INTRODUCES = /[:：]\s{0,3}$/

/**
 * Judges each line of each mail. Knows no language, and takes linear time. Of a very long thread it judges the newest mail only; the others
 * are `undefined`, and so are forwards.
 */
export function judgeLines(oldestFirst: readonly Judged[]): (Verdict[] | undefined)[] {
  const read = readLines(
    oldestFirst.map(({ text }) => text),
    MOST,
  )
  const { holderOf } = findPassages(read, place => oldestFirst[place]?.holdsNothing !== true)
  return oldestFirst.map(({ isForward }, place) => {
    const lines = read.mails[place]
    if (!lines || isForward) return undefined
    const texts = lines.map(line => line.text)
    const forward = forwardAt(texts)
    const verdicts = lines.map((line, at): Verdict => {
      const held = at < forward ? holderOf(line, evidenceFor(line)) : undefined
      return held === undefined ? { line, fate: 'kept' } : { line, fate: 'quote', ...held }
    })
    const signed = signatureLines(texts.slice(0, forward), at => verdicts[at]?.fate === 'quote' || isMarked(lines[at]))
    for (const [at, verdict] of verdicts.entries()) {
      if (signed[at] && verdict.fate === 'kept') verdict.fate = 'signature'
    }
    if (!verdicts.some(isNew)) keepUnmarked(verdicts)
    keepQuestions(verdicts)
    return verdicts
  })
}

function evidenceFor({ depth, isUnspaced }: Line): number {
  return (depth > 0 ? MARKED : UNMARKED) * (isUnspaced ? CHARACTERS_A_WORD : 1)
}

function hasWords({ wordAt, wordEnd }: Line): boolean {
  return wordEnd > wordAt
}

function isMarked(line: Line | undefined): boolean {
  return line !== undefined && line.depth > 0
}

function isNew({ line, fate }: Verdict): boolean {
  return fate === 'kept' && hasWords(line) && !isMarked(line)
}

// A sentence that somebody repeats, or what looks like a signature, may be all that a mail says.
function keepUnmarked(verdicts: readonly Verdict[]): void {
  for (const verdict of verdicts) if (!isMarked(verdict.line)) verdict.fate = 'kept'
}

// Keeps the last sentence of each quote that new text follows. Reads upwards.
function keepQuestions(verdicts: readonly Verdict[]): void {
  const introductions = introductionsIn(verdicts)
  let left = 0
  let below: Line | undefined
  for (const verdict of verdicts.toReversed()) {
    const { line, fate } = verdict
    if (fate === 'signature' || (!hasWords(line) && !below)) continue
    const isEnd = below && (below.depth !== line.depth || ENDS_SENTENCE.test(line.text))
    if (fate === 'kept') {
      left = isNew(verdict) && !introductions.has(verdict) ? QUESTION_WORDS : 0
      below = undefined
    } else if (left > 0 && !isEnd) {
      verdict.fate = 'question'
      left = STARTS_SENTENCE.test(line.text) ? 0 : left - (line.wordEnd - line.wordAt)
      below = line
    } else left = 0
  }
}

// "On Monday Ana wrote:" above a quote answers nothing.
function introductionsIn(verdicts: readonly Verdict[]): Set<Verdict> {
  const found = new Set<Verdict>()
  let isAboveQuote = false
  let size = 0
  for (const verdict of verdicts.toReversed()) {
    const { line } = verdict
    const begins = isAboveQuote && INTRODUCES.test(line.text)
    const isOne = isNew(verdict) && size < INTRODUCTION_LINES && (size > 0 || begins)
    if (isOne) found.add(verdict)
    size = isOne ? size + 1 : 0
    if (hasWords(line)) isAboveQuote = !isNew(verdict)
  }
  return found
}
