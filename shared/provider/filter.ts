/**
 * Whether a mailbox has what a filter names: a label to read or to skip, or mail that a search finds. `unseen` is told where only mail
 * can tell: none so far carries it.
 */
export interface Finding {
  part: 'label' | 'skip' | 'query'
  /** As the filter has it. */
  name: string
  state: 'found' | 'missing' | 'unseen'
}

/** Which mail is wanted, by its labels: it carries one of `labels` (any, where there are none), and none of `skip`. */
export interface LabelFilter {
  labels: readonly string[]
  skip: readonly string[]
}

/** Why mail with these labels, in any case of letters, is left out; `undefined` for mail that is wanted. */
export function leftOut(labels: readonly string[], filter: LabelFilter): string | undefined {
  const carried = new Set(labels.map(label => label.toLowerCase()))
  const skipped = filter.skip.find(label => carried.has(label.toLowerCase()))
  if (skipped !== undefined) return `labelled ${skipped}`
  if (filter.labels.length === 0 || filter.labels.some(label => carried.has(label.toLowerCase()))) return undefined
  return `not labelled ${filter.labels.join(' or ')}`
}
