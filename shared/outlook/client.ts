import { MailError } from '../error.ts'
import type { Answer } from '../http/answer.ts'
import type { Http } from '../http/exchange.ts'
import { retryAfterIn } from '../http/retry-after.ts'
import { acquirePermit, createSender, type Sending, spend } from '../http/sender.ts'
import { skimJson } from '../http/skim.ts'
import { MACHINE, type Machine } from '../machine.ts'
import type { AccessTokens } from '../provider/tokens.ts'
import { spentOn } from './errors.ts'

/** Graph's address, the source of tokens, and the timeout for one answer (30 s by default). */
export interface ClientOptions {
  tokens: AccessTokens
  /**
   * Graph's address with its version and without a trailing slash, such as
   * `https://graph.microsoft.com/v1.0`.
   */
  rootUrl: string
  timeoutMs?: number | undefined
  /** The largest answer that is read; 64 MiB by default. A larger one throws `unavailable` with `isTooLarge`. */
  mostBytes?: number | undefined
  now?: () => number
  http: Http
  machine?: Machine | undefined
}

/**
 * A request. `url` is a path below the root, such as `/me`, or a link from Graph, which is used unchanged.
 */
export interface GraphRequest {
  method?: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  url: string
  headers?: Readonly<Record<string, string>>
  body?: unknown
  /** The answer is read without what its strings hold beyond so many bytes (`skimJson`), so that it takes little memory. */
  longestString?: number
}

/**
 * A mailbox's connection to Graph. Both methods send one request, never retry, follow no redirect, and return
 * answers of any status. They throw `unavailable` if no answer arrives, the token source's error, and
 * `unparsable` for a link that leads away from Graph.
 */
export interface GraphClient {
  /** Acquires a quota permit first; throws `throttled` if the request was not sent. */
  ask(sending: Sending, request: GraphRequest): Promise<Answer>
  /** Sends a request for which the caller already holds a permit. */
  send(sending: Sending, request: GraphRequest): Promise<Answer>
  /** Returns a link as a path below the root, for requests inside a batch; `undefined` if it is not one. */
  pathOf(url: string): string | undefined
}

const TIMEOUT_MS = 30_000
const MOST_SKIMMED = 64 << 20

/** Creates a client for one mailbox. */
export function graphClient(options: ClientOptions): GraphClient {
  const { tokens, rootUrl, timeoutMs = TIMEOUT_MS, mostBytes, http, machine = MACHINE } = options
  const { now = machine.date } = options
  const sendAs = createSender({ provider: 'Microsoft', tokens, timeoutMs, machine })
  const { origin } = new URL(rootUrl)

  return {
    async ask(sending, request) {
      const taken = await acquirePermit(sending.call, [sending.units], sending.doing)
      return spend(
        taken,
        sending.units,
        () => send(sending, request),
        answer => spentOn([answer], now),
      )
    },
    send,
    pathOf(url) {
      if (url.startsWith('/')) return url
      return url.startsWith(`${rootUrl}/`) ? url.slice(rootUrl.length) : undefined
    },
  }

  async function send(
    sending: Sending,
    { method = 'GET', url, headers, body, longestString }: GraphRequest,
  ): Promise<Answer> {
    const target = addressOf(url, sending.doing)
    return sendAs(sending, async (authorization, signal) => {
      const answer = await http.exchange(target, {
        method,
        signal,
        ...(mostBytes === undefined ? {} : { mostBytes }),
        headers: { ...headers, authorization, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      const text =
        longestString === undefined || !answer.body
          ? await answer.text()
          : await skimJson(answer.body as AsyncIterable<Uint8Array>, {
              longestString,
              mostBytes: mostBytes ?? MOST_SKIMMED,
            })
      return { status: answer.status, body: json(text), retryAfter: retryAfterIn(answer.headers) }
    })
  }

  function addressOf(url: string, doing: string): string {
    if (url.startsWith('/')) return `${rootUrl}${url}`
    if (URL.canParse(url) && new URL(url).origin === origin) return url
    throw new MailError('unparsable', `${doing}: the next link leads away from ${origin}; it is not followed`)
  }
}

function json(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
