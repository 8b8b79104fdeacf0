import { invalid } from '../error.ts'
import { operatorTerm, type SearchContext } from './operators.ts'
import { allOf, anyOf, byEntry, nearTerm, not, phraseTerm, type Term } from './term.ts'
import { wordsOf } from './words.ts'

/** A token of a search: a bracket, `-`, an operator with its colon, a quoted text, or a word. */
interface Piece {
  kind: 'open' | 'close' | 'minus' | 'operator' | 'quoted' | 'word'
  text: string
}

const PIECES = /\s*(?:([({])|([)}])|(-)(?=[^\s-])|([a-z_][a-z\d_]*):(?!\/\/)|"([^"]*)"?|([^\s(){}"]+))/giy
const CLOSED_BY: ReadonlyMap<string, string> = new Map([
  ['(', ')'],
  ['{', '}'],
])
const MAX_CHARACTERS = 10_000
const MAX_DEPTH = 50

/**
 * Parses a Gmail search: words, "phrases", operators, `-`, `OR`, `AND`, `( )`, `{ }` and `AROUND n`. Adjacent
 * terms must all match, and `OR` binds its neighbours. Throws a 400 that names any unsupported part.
 */
export function parseSearch(text: string, context: SearchContext): Term {
  if (text.length > MAX_CHARACTERS) throw invalid('The search is too long', 'q')
  const pieces = piecesOf(text)
  let at = 0
  let depth = 0
  const next = () => pieces[at]
  const isWord = (...words: string[]) => next()?.kind === 'word' && words.includes(next()?.text ?? '')

  const term = sequence(undefined, undefined)
  if (next()) throw invalid(`The search has an extra "${next()?.text}"`, 'q')
  return term

  /** Parses terms up to a bracket or the end. */
  function sequence(closing: string | undefined, operator: string | undefined): Term {
    const terms: Term[] = []
    for (;;) {
      const piece = next()
      if (!piece || (piece.kind === 'close' && piece.text === closing)) break
      if (piece.kind === 'close') throw invalid(`The search has an extra "${piece.text}"`, 'q')
      if (isWord('AND', 'OR', '|')) at += 1
      else terms.push(alternatives(operator))
    }
    return closing === '}' ? anyOf(terms.length > 0 ? terms : [byEntry(() => true)]) : allOf(terms)
  }

  function alternatives(operator: string | undefined): Term {
    const terms = [near(operator)]
    while (isWord('OR', '|') && pieces[at + 1] && pieces[at + 1]?.kind !== 'close') {
      at += 1
      terms.push(near(operator))
    }
    return anyOf(terms)
  }

  function near(operator: string | undefined): Term {
    const first = one(operator)
    const count = Number(pieces[at + 1]?.text)
    if (!isWord('AROUND') || !first.phrase || !Number.isInteger(count) || !pieces[at + 2]) return first
    at += 2
    const second = one(operator)
    if (!second.phrase) throw invalid('The simulator does not simulate AROUND beside an operator', 'q')
    return nearTerm([first.phrase, second.phrase], count, false)
  }

  function one(operator: string | undefined): Term {
    const piece = pieces[at]
    at += 1
    if (!piece) throw invalid(`The search ends where the value of "${operator}:" should be`, 'q')
    switch (piece.kind) {
      case 'minus':
        return not(one(operator))
      case 'open':
        return grouped(piece.text, operator)
      case 'operator':
        return one(piece.text)
      case 'quoted':
        return operator === undefined ? quotedTerm(piece.text) : valued(operator, piece.text)
      default:
        // A plus means an exact word; here every word is exact.
        return operator === undefined
          ? phraseTerm(wordsOf(piece.text))
          : valued(operator, piece.text.replace(/(?<![,;])[,;]+$/, ''))
    }
  }

  function grouped(opening: string, operator: string | undefined): Term {
    depth += 1
    if (depth > MAX_DEPTH) throw invalid('The search is too deep', 'q')
    const closing = CLOSED_BY.get(opening)
    const inner = sequence(closing, operator)
    // A bracket that never closes extends to the end.
    if (next()?.text === closing) at += 1
    depth -= 1
    return inner
  }

  function valued(operator: string, value: string): Term {
    const found = operatorTerm(operator, value, context)
    if (found) return found
    throw invalid(`The simulator does not simulate "${operator}:${value}"`, 'q')
  }
}

function quotedTerm(text: string): Term {
  const words = text.trim().split(/\s+/)
  const isNear = (at: number) =>
    words[at] === 'AROUND' && /^\d{1,4}$/.test(words[at + 1] ?? '') && at + 2 < words.length
  const near = words.findIndex((_, at) => at > 0 && isNear(at))
  if (near < 0) return phraseTerm(wordsOf(text))
  const [first, second] = [words.slice(0, near), words.slice(near + 2)].map(part => wordsOf(part.join(' ')))
  return nearTerm([first ?? [], second ?? []], Number(words[near + 1]), true)
}

function piecesOf(text: string): Piece[] {
  return [...text.trim().matchAll(PIECES)].map(([, open, close, minus, operator, quoted, word = '']): Piece => {
    if (open !== undefined) return { kind: 'open', text: open }
    if (close !== undefined) return { kind: 'close', text: close }
    if (minus !== undefined) return { kind: 'minus', text: minus }
    if (operator !== undefined) return { kind: 'operator', text: operator.toLowerCase() }
    return quoted === undefined ? { kind: 'word', text: word } : { kind: 'quoted', text: quoted }
  })
}
