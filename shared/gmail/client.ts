import { auth, gmail, type gmail_v1 } from 'googleapis/build/src/apis/gmail/index.js'
import fetch from 'node-fetch'
import { z } from 'zod'
import { MailError } from '../error.ts'
import type { Call, CallKind } from '../mailbox.ts'
import { type Answer, errorOf, networkError } from './errors.ts'
import { spend, spentOn, takeLeave } from './spend.ts'

/** A Google OAuth client and the refresh token that a mailbox's owner gave it. */
export interface GmailAccount {
  clientId: string
  clientSecret: string
  refreshToken: string
}

/** Where to reach Google, as whom, and how long to wait for one answer (30 s by default). */
export interface ClientOptions {
  account: GmailAccount
  rootUrl: string
  tokenUrl: string
  timeoutMs?: number | undefined
  now?: () => number
}

/** One HTTP request to be sent: what it is, for messages; for which call; and what the call's meter is told when it is sent. */
interface Sending {
  doing: string
  call: Call
  kind: CallKind
  units: number
}

type Request = (
  api: gmail_v1.Gmail,
  options: { signal: AbortSignal },
) => Promise<{ status: number; data: unknown; headers: unknown }>

/** The one way to Google of a mailbox. Both methods send one request, retry nothing, and give answers of any status. */
export interface GmailClient {
  /**
   * Takes leave from the call's quota and sends a request through the Gmail library; throws `unavailable` without an answer, what the
   * token endpoint says, and `throttled` unsent.
   */
  ask(sending: Sending, request: Request): Promise<Answer>
  /** Posts a multipart batch, with the same bearer; as `ask`, but leave was taken already, and the body of an answer stays text. */
  postBatch(sending: Sending, batch: { contentType: string; body: string }): Promise<BatchAnswer>
}

/** The answer to a batch as it came. */
export interface BatchAnswer extends Answer {
  contentType: string | undefined
  body: string
}

const TIMEOUT_MS = 30_000
const TOKEN_LIFE_MS = 3_600_000

/** A client of its own for one mailbox: its access token is asked for when it is needed first, once however many calls wait for it. */
export function gmailClient(options: ClientOptions): GmailClient {
  const { account, rootUrl, tokenUrl, timeoutMs = TIMEOUT_MS, now = Date.now } = options
  const oauth = new auth.OAuth2({
    clientId: account.clientId,
    clientSecret: account.clientSecret,
    endpoints: { oauth2TokenUrl: tokenUrl },
    // The library asks to retry token requests; only a retry count of its transporter wins over that.
    transporterOptions: { retryConfig: { retry: 0 }, timeout: timeoutMs },
  })
  oauth.setCredentials({ refresh_token: account.refreshToken })
  oauth.on('tokens', tokens => {
    // Without an expiry the library would answer a 403, a rate limit say, by refreshing the token.
    tokens.expiry_date ??= Date.now() + TOKEN_LIFE_MS
  })
  const api = gmail({
    version: 'v1',
    auth: oauth,
    rootUrl,
    retry: false,
    retryConfig: { retry: 0 },
    responseType: 'json',
    validateStatus: () => true,
  })
  const batchUrl = new URL('batch/gmail/v1', rootUrl).href

  return {
    async ask(sending, request) {
      const { doing, call, kind, units } = sending
      const send = () =>
        within(sending, timeoutMs, async signal => {
          const token = await bearer(doing, signal)
          call.meter(kind, units)
          const { status, data, headers } = await request(api, { signal })
          forget(token, status)
          return { status, body: data, retryAfter: retryAfterIn(headers) }
        })
      const taken = await takeLeave(call, [units], doing)
      return spend(taken, units, send, answer => spentOn([{ answer, units }], now))
    },

    postBatch: (sending, { contentType, body }) =>
      within(sending, timeoutMs, async signal => {
        const token = await bearer(sending.doing, signal)
        sending.call.meter(sending.kind, sending.units)
        const headers = { authorization: `Bearer ${token}`, 'content-type': contentType }
        const answer = await fetch(batchUrl, { method: 'POST', headers, body, signal })
        forget(token, answer.status)
        return {
          status: answer.status,
          body: await answer.text(),
          contentType: answer.headers.get('content-type') ?? undefined,
          retryAfter: retryAfterIn(answer.headers),
        }
      }),
  }

  async function bearer(doing: string, signal: AbortSignal): Promise<string> {
    try {
      const { token } = await oauth.getAccessToken()
      // Who gave up while others still wait for the token must not send.
      signal.throwIfAborted()
      if (token) return token
    } catch (thrown) {
      throw tokenError(thrown, doing)
    }
    throw new MailError('unparsable', `${doing}: Google's token answer holds no token`)
  }

  // A token that is refused is asked for anew by the next call; another call may have done so already.
  function forget(token: string, status: number): void {
    if (status !== 401 || oauth.credentials.access_token !== token) return
    oauth.setCredentials({ refresh_token: account.refreshToken })
  }
}

const refusal = z.object({ response: z.object({ status: z.number(), data: z.unknown(), headers: z.unknown() }) })

function tokenError(thrown: unknown, doing: string): MailError {
  const answer = refusal.safeParse(thrown).data?.response
  if (!answer || answer.status < 400) return networkError(thrown, `${doing}, asking for a token`)
  const retryAfter = retryAfterIn(answer.headers)
  return errorOf({ status: answer.status, body: answer.data, retryAfter }, `${doing}, asking for a token`)
}

// The library gives plain objects by its types, but node-fetch's Headers in fact.
function retryAfterIn(headers: unknown): string | undefined {
  const { get } = z.object({ get: z.unknown() }).catch({ get: undefined }).parse(headers)
  const value: unknown = typeof get === 'function' ? get.call(headers, 'retry-after') : undefined
  return typeof value === 'string' ? value : undefined
}

// Ends with the work, the caller's abort or the time limit, whichever is first. AbortSignal.any would do, but a signal that lives
// as long as the process holds on to every signal made from it in Node 20.
async function within<T>({ doing, call }: Sending, timeoutMs: number, work: (signal: AbortSignal) => Promise<T>) {
  const { signal } = call
  if (signal.aborted) throw new MailError('unavailable', `${doing}: given up before it was sent`)
  const controller = new AbortController()
  let giveUp = () => {}
  let timer: NodeJS.Timeout | undefined
  const ended = new Promise<never>((_, reject) => {
    const end = (why: string) => {
      reject(new MailError('unavailable', `${doing}: ${why}`))
      controller.abort()
    }
    giveUp = () => end('given up before an answer came')
    signal.addEventListener('abort', giveUp)
    timer = setTimeout(() => end(`no answer from Google within ${timeoutMs} ms`), timeoutMs)
  })
  try {
    return await Promise.race([work(controller.signal), ended])
  } catch (thrown) {
    throw networkError(thrown, doing)
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', giveUp)
  }
}
