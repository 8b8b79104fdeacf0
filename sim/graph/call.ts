import type { Account } from './account.ts'
import type { Preferences } from './preferences.ts'
import type { Quirks } from './quirks.ts'

/** A request to Graph, single or within a batch. */
export interface GraphRequest {
  method: string
  /** Path and query, from the server's root: `/v1.0/me/messages?$top=5`. */
  url: string
  /** Names in lower case. */
  headers: Readonly<Record<string, string | undefined>>
  /** The parsed JSON body; `undefined` if there was none. */
  body: unknown
}

/** The answer; `body` is JSON, bytes, or nothing. */
export interface GraphAnswer {
  status: number
  headers?: Readonly<Record<string, string>>
  body?: unknown
}

/** An authorized request to a mailbox. */
export interface Call {
  account: Account
  /** The mailbox in the path: `me` or `users('ana@example.com')`. */
  user: string
  /** The server's own address, for links. */
  origin: string
  query: URLSearchParams
  prefer: Preferences
  /** Ids in the path. */
  ids: Readonly<Record<string, string>>
  body: unknown
  /** Whether the token may read bodies. */
  bodies: boolean
  nowMs: number
  quirks: Quirks
  random: () => number
}
