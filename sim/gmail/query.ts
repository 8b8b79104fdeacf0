import type { Account } from './account.ts'
import type { Entry } from './entry.ts'
import { documentOf } from './search/document.ts'
import { parseSearch } from './search/parse.ts'

/** A parsed search: whether a message matches, and whether it includes spam and trash. */
export interface Query {
  matches: (entry: Entry) => boolean | Promise<boolean>
  everywhere: boolean
}

/**
 * Parses a `q` parameter like Gmail (support.google.com/mail/answer/7190): words, phrases and operators.
 * Dates are UTC or epoch seconds. Throws a 400 that names any unsupported part, which Gmail itself might
 * accept.
 */
export function readQuery(text: string, account: Account, nowMs: number): Query {
  const { test, everywhere } = parseSearch(text, { account, nowMs })
  return { matches: entry => test(entry, () => documentOf(account, entry)), everywhere }
}
