/**
 * Whether a mailbox has what a filter names: a label to read or to skip, or mail that a search finds. `unseen` means that only mail can
 * show it, and none so far carries it.
 */
export interface Finding {
  part: 'label' | 'skip' | 'query'
  /** The name as written in the filter. */
  name: string
  state: 'found' | 'missing' | 'unseen'
}

/** The wanted mail, by labels: it carries one of `labels` (any label where the list is empty) and none of `skip`. */
export interface LabelFilter {
  labels: readonly string[]
  skip: readonly string[]
}

/** Returns why mail with these labels, in any letter case, is filtered out; `undefined` for wanted mail. */
export function leftOut(labels: readonly string[], filter: LabelFilter): string | undefined {
  const carried = new Set(labels.map(label => label.toLowerCase()))
  const skipped = filter.skip.find(label => carried.has(label.toLowerCase()))
  if (skipped !== undefined) return `labelled ${skipped}`
  if (filter.labels.length === 0 || filter.labels.some(label => carried.has(label.toLowerCase()))) return undefined
  return `not labelled ${filter.labels.join(' or ')}`
}
