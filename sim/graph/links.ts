import type { Call } from './call.ts'

/** What is said of a collection before its items. */
export function contextOf({ origin, user }: Pick<Call, 'origin' | 'user'>, of: string): { '@odata.context': string } {
  return { '@odata.context': `${origin}/v1.0/$metadata#${user.replace(/^me$/, "users('me')")}/${of}` }
}

/** A link of Graph's to a path below the mailbox, as it is asked for there. */
export function linkTo({ origin, user }: Pick<Call, 'origin' | 'user'>, path: string, query: string): string {
  return `${origin}/v1.0/${user}/${path}?${query}`
}

/** The link to the next page of a list: the same query, further on. */
export function nextPage(call: Call, path: string, skip: number): string {
  const query = new URLSearchParams(call.query)
  query.set('$skip', String(skip))
  return linkTo(call, path, query.toString().replaceAll('%24', '$'))
}
