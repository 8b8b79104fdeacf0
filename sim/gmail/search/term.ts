import type { Entry } from '../entry.ts'
import type { Document } from './document.ts'
import { positionsOf } from './words.ts'

type Answer = boolean | Promise<boolean>

/** A part of a search: whether a message fits, and whether spam and trash are searched too. */
export interface Term {
  test(entry: Entry, read: () => Promise<Document>): Answer
  /** It has to read the mail: what need not is asked first. */
  reads: boolean
  everywhere: boolean
  /** Of words without an operator, what AROUND measures between. */
  phrase?: readonly string[]
}

/** A term by what Gmail knows of a message without its content. */
export function byEntry(test: (entry: Entry) => boolean, everywhere = false): Term {
  return { test, reads: false, everywhere }
}

/** A term by what a mail says. */
export function byDocument(test: (document: Document) => boolean): Term {
  return { test: async (_, read) => test(await read()), reads: true, everywhere: false }
}

/** Words in a row, anywhere in what a person sees of a mail. Punctuation alone is no word, and fits all. */
export function phraseTerm(phrase: readonly string[]): Term {
  if (phrase.length === 0) return byEntry(() => true)
  return { ...byDocument(document => positionsOf(phrase, document.text()).length > 0), phrase }
}

/** Two phrases with so many words between them at most; in this order only where they were quoted together. */
export function nearTerm(
  [first, second]: readonly [readonly string[], readonly string[]],
  most: number,
  inOrder: boolean,
): Term {
  return byDocument(document => {
    const [starts, others] = [positionsOf(first, document.text()), positionsOf(second, document.text())]
    return starts.some(at =>
      others.some(other => {
        if (other > at) return other - at - first.length <= most
        return !inOrder && at > other && at - other - second.length <= most
      }),
    )
  })
}

/** All of these. */
export function allOf(terms: readonly Term[]): Term {
  const cheapFirst = [...terms].sort((a, b) => Number(a.reads) - Number(b.reads))
  return joined(terms, (entry, read) =>
    cheapFirst.reduce<Answer>((before, term) => then(before, fits => fits && term.test(entry, read)), true),
  )
}

/** Any of these. */
export function anyOf(terms: readonly Term[]): Term {
  const cheapFirst = [...terms].sort((a, b) => Number(a.reads) - Number(b.reads))
  return joined(terms, (entry, read) =>
    cheapFirst.reduce<Answer>((before, term) => then(before, fits => fits || term.test(entry, read)), false),
  )
}

/** What a term does not fit. To leave spam out is no wish to see the trash. */
export function not({ test, reads }: Term): Term {
  return { test: (entry, read) => then(test(entry, read), fits => !fits), reads, everywhere: false }
}

function joined(terms: readonly Term[], test: Term['test']): Term {
  const [only] = terms
  if (only && terms.length === 1) return only
  return { test, reads: terms.some(({ reads }) => reads), everywhere: terms.some(({ everywhere }) => everywhere) }
}

// What needs no mail is answered at once: a listing of thousands waits for nothing.
function then(before: Answer, next: (fits: boolean) => Answer): Answer {
  return typeof before === 'boolean' ? next(before) : before.then(next)
}
