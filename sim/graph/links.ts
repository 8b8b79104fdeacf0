import type { Call } from './call.ts'

/** Returns the context of a collection. */
export function contextOf({ origin, user }: Pick<Call, 'origin' | 'user'>, of: string): { '@odata.context': string } {
  return { '@odata.context': `${origin}/v1.0/$metadata#${user.replace(/^me$/, "users('me')")}/${of}` }
}

/** Returns a link to a path below the mailbox, in the form of the request. */
export function linkTo({ origin, user }: Pick<Call, 'origin' | 'user'>, path: string, query: string): string {
  return `${origin}/v1.0/${user}/${path}?${query}`
}

/** Returns the link to the next page of a list: the same query at a later position. */
export function nextPage(call: Call, path: string, skip: number): string {
  const query = new URLSearchParams(call.query)
  query.set('$skip', String(skip))
  return linkTo(call, path, query.toString().replaceAll('%24', '$'))
}
