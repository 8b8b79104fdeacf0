import type { Account } from './account.ts'
import type { Scope } from './methods.ts'
import type { Quirks } from './quirks.ts'

/** An authorized call to one of Gmail's methods. */
export interface Call {
  account: Account
  query: URLSearchParams
  /** The parsed JSON body; `undefined` if there was none. */
  body: unknown
  nowMs: number
  /** The id in the path, of a message, a thread, a label or an attachment. */
  id: string
  /** The id of the attachment's message. */
  messageId: string
  /** The scopes of the token. */
  scopes: readonly Scope[]
  quirks: Quirks
}
