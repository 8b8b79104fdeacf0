/**
 * The header value for ids that survive moves; every request must send it
 * (learn.microsoft.com/graph/outlook-immutable-id).
 */
export const IMMUTABLE_IDS = 'IdType="ImmutableId"'

/**
 * Returns the same with a page size; every page request must repeat it
 * (learn.microsoft.com/graph/delta-query-messages).
 */
export function pagesOf(size: number): string {
  return `${IMMUTABLE_IDS}, odata.maxpagesize=${size}`
}
