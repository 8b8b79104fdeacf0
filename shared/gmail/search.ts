import type { Labels } from './labels.ts'

/** What of messages.list says which messages are listed. */
export interface Search {
  q?: string
  labelIds?: string[]
  includeSpamTrash?: boolean
}

// What Gmail lists only when it is asked to.
const HIDDEN = ['SPAM', 'TRASH']

/** The search for what a filter takes, and for all of `terms`, which are in Gmail's words; as little is searched for as will do. */
export function searchFor({ labels, skip }: Labels, terms: readonly string[]): Search {
  const hidden = HIDDEN.every(id => skip.some(label => label.id === id))
  const skipped = skip.filter(({ id }) => !(hidden && HIDDEN.includes(id)))
  const [only, ...others] = labels
  // A label that the mailbox does not have would be refused by its id; a search for it finds nothing.
  const isOne = only !== undefined && others.length === 0 && !only.missing
  const anyOf = labels.length > 0 && !isOne ? [`{${labels.map(({ term }) => term).join(' ')}}`] : []
  const q = [...terms.map(grouped), ...anyOf, ...skipped.map(({ term }) => `-${term}`)].join(' ')
  return {
    ...(q === '' ? {} : { q }),
    ...(isOne ? { labelIds: [only.id] } : {}),
    ...(hidden ? {} : { includeSpamTrash: true }),
  }
}

// An alternative would reach into what stands beside it.
function grouped(term: string): string {
  return /\bOR\b|\|/.test(term) ? `(${term})` : term
}
