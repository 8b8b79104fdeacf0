import type { Account } from './account.ts'
import type { Entry } from './entry.ts'
import { documentOf } from './search/document.ts'
import { parseSearch } from './search/parse.ts'

/** What a search asks for: whether a message matches, and whether spam and trash are searched too. */
export interface Query {
  matches: (entry: Entry) => boolean | Promise<boolean>
  everywhere: boolean
}

/**
 * Reads a `q` parameter as Gmail does (support.google.com/mail/answer/7190): its words, phrases and operators. Dates are UTC or epoch
 * seconds. Throws a 400 for anything else, by name, which Gmail might search for and this simulator does not.
 */
export function readQuery(text: string, account: Account, nowMs: number): Query {
  const { test, everywhere } = parseSearch(text, { account, nowMs })
  return { matches: entry => test(entry, () => documentOf(account, entry)), everywhere }
}
