import type { Account } from './account.ts'
import type { Preferences } from './preferences.ts'
import type { Quirks } from './quirks.ts'

/** A request to Graph, by itself or within a batch. */
export interface GraphRequest {
  method: string
  /** Path and query, from the root of the server on: `/v1.0/me/messages?$top=5`. */
  url: string
  /** Names in lower case. */
  headers: Readonly<Record<string, string | undefined>>
  /** The JSON it came with, `undefined` where there was none. */
  body: unknown
}

/** What it is answered with; `body` is JSON, bytes, or nothing. */
export interface GraphAnswer {
  status: number
  headers?: Readonly<Record<string, string>>
  body?: unknown
}

/** A request that was let in, to a mailbox. */
export interface Call {
  account: Account
  /** What stands for the mailbox in the path: `me` or `users('ana@example.com')`. */
  user: string
  /** The server's own address, for links. */
  origin: string
  query: URLSearchParams
  prefer: Preferences
  /** Ids in the path. */
  ids: Readonly<Record<string, string>>
  body: unknown
  /** Whether the token lets bodies be read. */
  bodies: boolean
  nowMs: number
  quirks: Quirks
  random: () => number
}
