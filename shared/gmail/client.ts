import type { gmail_v1 } from 'googleapis/build/src/apis/gmail/index.js'
import type { Answer } from '../http/answer.ts'
import type { Http } from '../http/exchange.ts'
import { retryAfterIn } from '../http/retry-after.ts'
import { acquirePermit, createSender, type Sending, spend } from '../http/sender.ts'
import { MACHINE, type Machine } from '../machine.ts'
import type { AccessTokens } from '../provider/tokens.ts'
import { spentOn } from './spend.ts'
import { ownTokens } from './tokens.ts'

/** A Google OAuth client and the refresh token granted by a mailbox's owner. */
export interface GmailAccount {
  clientId: string
  clientSecret: string
  refreshToken: string
}

/** Google's addresses, the account, and the timeout for one answer (30 s by default). */
export interface ClientOptions {
  /** A refresh token, for access tokens of this process only, or a source of access tokens. */
  account: GmailAccount | AccessTokens
  rootUrl: string
  tokenUrl: string
  timeoutMs?: number | undefined
  /** The largest answer that is read; 25 MB by default. A larger one throws `unavailable` with `isTooLarge`. */
  mostBytes?: number | undefined
  now?: () => number
  http: Http
  machine?: Machine | undefined
}

type Request = (
  api: gmail_v1.Gmail,
  options: { signal: AbortSignal; headers?: { authorization: string } },
) => Promise<{ status: number; data: unknown; headers: unknown }>

/**
 * A mailbox's connection to Google. Both methods send one request, never retry, follow no redirect, and
 * return answers of any status.
 */
export interface GmailClient {
  /**
   * Acquires a quota permit, then sends a request through the Gmail library. Throws `unavailable` if no
   * answer arrives, the token endpoint's error, or `throttled` if the request was not sent.
   */
  ask(sending: Sending, request: Request): Promise<Answer>
  /**
   * Posts a multipart batch with the same bearer token. Behaves as `ask`, but the caller already holds the
   * permit, and the answer's body stays text.
   */
  postBatch(sending: Sending, batch: { contentType: string; body: string }): Promise<BatchAnswer>
}

/** The raw answer to a batch. */
export interface BatchAnswer extends Answer {
  contentType: string | undefined
  body: string
}

const TIMEOUT_MS = 30_000
// Larger answers would take much memory at once; the caller asks for less.
const MOST_BYTES = 25_000_000

/**
 * Creates a client for one mailbox. An error of the token source that is not a MailError is passed on
 * unchanged.
 */
export function gmailClient(options: ClientOptions): GmailClient {
  const {
    account,
    rootUrl,
    tokenUrl,
    timeoutMs = TIMEOUT_MS,
    mostBytes = MOST_BYTES,
    http,
    machine = MACHINE,
  } = options
  const { now = machine.date } = options
  const tokens =
    'refreshToken' in account
      ? ownTokens({ ...account, authUrl: '', tokenUrl, revokeUrl: '', timeoutMs, http }, account.refreshToken)
      : account
  let library: Promise<gmail_v1.Gmail> | undefined
  const send = createSender({ provider: 'Google', tokens, timeoutMs, machine })
  const batchUrl = new URL('batch/gmail/v1', rootUrl).href

  return {
    async ask(sending, request) {
      const { doing, call, units } = sending
      // It loads slowly, and most processes make no request. The timeout of the answer begins later.
      library ??= loadLibrary(rootUrl, http.forGoogle(mostBytes))
      const api = await library
      const ask = () =>
        send(sending, async (authorization, signal) => {
          const { status, data, headers } = await request(api, { signal, headers: { authorization } })
          return { status, body: data, retryAfter: retryAfterIn(headers) }
        })
      const taken = await acquirePermit(call, [units], doing)
      return spend(taken, units, ask, answer => spentOn([{ answer, units }], now))
    },

    postBatch: (sending, { contentType, body }) =>
      send(sending, async (authorization, signal) => {
        const headers = { authorization, 'content-type': contentType }
        const answer = await http.exchange(batchUrl, { method: 'POST', headers, body, signal, mostBytes })
        return {
          status: answer.status,
          body: await answer.text(),
          contentType: answer.headers.get('content-type') ?? undefined,
          retryAfter: retryAfterIn(answer.headers),
        }
      }),
  }
}

async function loadLibrary(rootUrl: string, transport: ReturnType<Http['forGoogle']>): Promise<gmail_v1.Gmail> {
  const { gmail } = await import('googleapis/build/src/apis/gmail/index.js')
  return gmail({
    version: 'v1',
    rootUrl,
    retry: false,
    retryConfig: { retry: 0 },
    responseType: 'json',
    // Indented answers are a third longer.
    params: { prettyPrint: false },
    validateStatus: () => true,
    ...transport,
  })
}
