import type { Entry } from '../entry.ts'
import type { Document } from './document.ts'
import { positionsOf } from './words.ts'

type Answer = boolean | Promise<boolean>

/** A part of a search: whether a message matches, and whether it includes spam and trash. */
export interface Term {
  test(entry: Entry, read: () => Promise<Document>): Answer
  /** Whether it must read the mail; terms that need not are tested first. */
  reads: boolean
  everywhere: boolean
  /** The words of a term without an operator, for AROUND. */
  phrase?: readonly string[]
}

/** Creates a term on a message's metadata. */
export function byEntry(test: (entry: Entry) => boolean, everywhere = false): Term {
  return { test, reads: false, everywhere }
}

/** Creates a term on a mail's content. */
export function byDocument(test: (document: Document) => boolean): Term {
  return { test: async (_, read) => test(await read()), reads: true, everywhere: false }
}

/**
 * Creates a term for consecutive words anywhere in a mail's visible text. Punctuation alone matches
 * everything.
 */
export function phraseTerm(phrase: readonly string[]): Term {
  if (phrase.length === 0) return byEntry(() => true)
  return { ...byDocument(document => positionsOf(phrase, document.text()).length > 0), phrase }
}

/**
 * Creates a term for two phrases with at most this many words between them; ordered only if they were quoted
 * together.
 */
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

/** Matches all of these. */
export function allOf(terms: readonly Term[]): Term {
  const cheapFirst = [...terms].sort((a, b) => Number(a.reads) - Number(b.reads))
  return joined(terms, (entry, read) =>
    cheapFirst.reduce<Answer>((before, term) => then(before, fits => fits && term.test(entry, read)), true),
  )
}

/** Matches any of these. */
export function anyOf(terms: readonly Term[]): Term {
  const cheapFirst = [...terms].sort((a, b) => Number(a.reads) - Number(b.reads))
  return joined(terms, (entry, read) =>
    cheapFirst.reduce<Answer>((before, term) => then(before, fits => fits || term.test(entry, read)), false),
  )
}

/** Matches the messages that a term does not. Excluding spam does not include the trash. */
export function not({ test, reads }: Term): Term {
  return { test: (entry, read) => then(test(entry, read), fits => !fits), reads, everywhere: false }
}

function joined(terms: readonly Term[], test: Term['test']): Term {
  const [only] = terms
  if (only && terms.length === 1) return only
  return { test, reads: terms.some(({ reads }) => reads), everywhere: terms.some(({ everywhere }) => everywhere) }
}

// Terms that need no mail are answered synchronously, so a listing of thousands does not wait.
function then(before: Answer, next: (fits: boolean) => Answer): Answer {
  return typeof before === 'boolean' ? next(before) : before.then(next)
}
