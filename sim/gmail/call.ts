import type { Account } from './account.ts'
import type { Scope } from './methods.ts'
import type { Quirks } from './quirks.ts'

/** A call to one of Gmail's methods that was let in. */
export interface Call {
  account: Account
  query: URLSearchParams
  /** The JSON it came with, `undefined` where there was none. */
  body: unknown
  nowMs: number
  /** The id in the path, of a message, a thread, a label or an attachment. */
  id: string
  /** The id of the message whose attachment is meant. */
  messageId: string
  /** What its token allows. */
  scopes: readonly Scope[]
  quirks: Quirks
}
