/** Which mail is wanted, by its labels: it carries one of `labels` (any, where there are none), and none of `skip`. */
export interface LabelFilter {
  labels: readonly string[]
  skip: readonly string[]
}

/** Why mail with these labels is left out; `undefined` for mail that is wanted. */
export function leftOut(labels: readonly string[], filter: LabelFilter): string | undefined {
  const skipped = filter.skip.find(label => labels.includes(label))
  if (skipped !== undefined) return `labelled ${skipped}`
  if (filter.labels.length === 0 || filter.labels.some(label => labels.includes(label))) return undefined
  return `not labelled ${filter.labels.join(' or ')}`
}
