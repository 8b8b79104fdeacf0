/** Ids that stay the same when mail is moved, to be asked for with every request (learn.microsoft.com/graph/outlook-immutable-id). */
export const IMMUTABLE_IDS = 'IdType="ImmutableId"'

/** The same, and how many items a page holds, to be said for every page anew (learn.microsoft.com/graph/delta-query-messages). */
export function pagesOf(size: number): string {
  return `${IMMUTABLE_IDS}, odata.maxpagesize=${size}`
}
