import type { Changes } from '../mailbox.ts'
import type { Finding } from '../provider/filter.ts'
import { isFolderName } from './folders.ts'

/**
 * Reports, with a mailbox's changes, which categories of its filter occur in its mail. The permission to read
 * mail does not include the list of categories. A category that no mail has carried so far is therefore
 * `unseen`, reported at the end of a listing that had mail.
 */
export function categoryFinder(skip: readonly string[]): (changes: Changes) => Changes {
  const categories = skip.filter(label => !isFolderName(label))
  const seen = new Set<string>()
  let hasListed = false

  return changes => {
    if (categories.length === 0) return changes
    hasListed ||= changes.ids.length > 0
    const carried = new Set(carriedBy(changes))
    const newlyFound = categories.filter(category => !seen.has(category) && carried.has(category.toLowerCase()))
    for (const category of newlyFound) seen.add(category)
    const isOver = changes.cursor !== undefined && hasListed
    const unseen = isOver ? categories.filter(category => !seen.has(category)) : []
    const filters = [...newlyFound.map(name => of(name, 'found')), ...unseen.map(name => of(name, 'unseen'))]
    return filters.length > 0 ? { ...changes, filters } : changes
  }
}

function carriedBy({ ids, labels, messages = [] }: Changes): string[] {
  const reasons = ids.flatMap(({ filtered = '' }) => (filtered.startsWith('labelled ') ? [filtered.slice(9)] : []))
  const all = [...reasons, ...labels.flatMap(({ added }) => added), ...messages.flatMap(message => message.labels)]
  return all.map(label => label.toLowerCase())
}

function of(name: string, state: Finding['state']): Finding {
  return { part: 'skip', name, state }
}
