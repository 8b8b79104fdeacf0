import type { Labels } from './labels.ts'

/** The parameters of messages.list that select messages. */
export interface Search {
  q?: string
  labelIds?: string[]
  includeSpamTrash?: boolean
}

// Labels that Gmail lists only on request.
const HIDDEN = ['SPAM', 'TRASH']

/** Builds the smallest search for a filter combined with all of `terms`, which are in Gmail's syntax. */
export function searchFor({ labels, skip }: Labels, terms: readonly string[]): Search {
  const hidden = HIDDEN.every(id => skip.some(label => label.id === id))
  const skipped = skip.filter(({ id }) => !(hidden && HIDDEN.includes(id)))
  const [only, ...others] = labels
  // Google refuses an unknown label id; a search for its name finds nothing.
  const isOne = only !== undefined && others.length === 0 && !only.missing
  const anyOf = labels.length > 0 && !isOne ? [`{${labels.map(({ term }) => term).join(' ')}}`] : []
  const q = [...terms.map(grouped), ...anyOf, ...skipped.map(({ term }) => `-${term}`)].join(' ')
  return {
    ...(q === '' ? {} : { q }),
    ...(isOne ? { labelIds: [only.id] } : {}),
    ...(hidden ? {} : { includeSpamTrash: true }),
  }
}

// Without parentheses, an alternative would reach into neighbouring terms.
function grouped(term: string): string {
  return /\bOR\b|\|/.test(term) ? `(${term})` : term
}
