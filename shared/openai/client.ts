import type { ChatCompletionCreateParamsNonStreaming } from 'openai/resources/chat/completions/completions'
import { MailError } from '../error.ts'
import type { Http } from '../http/exchange.ts'
import { retryAfterIn, waitIn } from '../http/retry-after.ts'
import { networkError } from '../http/sender.ts'

/** A request for an answer. */
export type ChatRequest = ChatCompletionCreateParamsNonStreaming

/** How a host refused a request. The texts decide what happens next; they may hold mail and keys, so no error quotes them. */
export interface HostRefusal {
  status: number
  code: string
  type: string
  param: string
  message: string
  retryAfterMs: number | undefined
}

/** The result of one request. `hasLeft` is false where the host never got it. */
export type Exchanged =
  | { outcome: 'answer'; answer: unknown }
  | { outcome: 'refused'; refusal: HostRefusal }
  | { outcome: 'failed'; error: MailError; hasLeft: boolean }

/** Sends one request, without retries. Never throws. */
export type Complete = (request: ChatRequest, call: { signal: AbortSignal; now: () => number }) => Promise<Exchanged>

interface ClientOptions {
  apiKey: string
  baseUrl: string
  /** The longest wait for one answer. */
  timeoutMs: number
  http: Http
}

const MOST_BYTES = 4 << 20
const LONGEST_TEXT = 2000
const DOING = 'asking the model'
// The library adds headers about this machine, and those of its environment variables.
const HEADERS = ['authorization', 'content-type', 'accept']
// Nothing was sent: no connection, or none that could be trusted.
const UNSENT =
  /\((?:ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|\w*CERT\w*|ERR_TLS_\w+|\w*UNABLE_TO_\w+)\)$/

/**
 * Opens the SDK on our transport: with its proxies, without redirects, and with answers of 4 MiB at most. Loads the SDK. Reads nothing from
 * the environment, and writes no log.
 */
export async function openClient({ apiKey, baseUrl, timeoutMs, http }: ClientOptions): Promise<Complete> {
  const { APIConnectionTimeoutError, APIError, OpenAI } = await import('openai')
  const client = new OpenAI({
    apiKey,
    baseURL: baseUrl,
    organization: null,
    project: null,
    adminAPIKey: null,
    webhookSecret: null,
    maxRetries: 0,
    timeout: timeoutMs,
    logLevel: 'off',
    fetch: (url, request) => fetched(http, url, request),
  })

  return async (request, { signal, now }) => {
    // The SDK never takes its listener back, and a signal may live as long as the process.
    const own = new AbortController()
    const abort = () => own.abort()
    signal.addEventListener('abort', abort)
    if (signal.aborted) abort()
    try {
      return { outcome: 'answer', answer: await client.chat.completions.create(request, { signal: own.signal }) }
    } catch (thrown) {
      if (signal.aborted) return failed(new MailError('unavailable', `${DOING}: aborted before an answer came`))
      if (thrown instanceof APIConnectionTimeoutError)
        return failed(new MailError('unavailable', `${DOING}: no answer within ${timeoutMs} ms`))
      if (thrown instanceof APIError && typeof thrown.status === 'number')
        return { outcome: 'refused', refusal: refusalOf(thrown, thrown.status, now()) }
      // The message of a parser quotes the answer.
      if (thrown instanceof SyntaxError) return failed(new MailError('unavailable', `${DOING}: the answer is no JSON`))
      const error = networkError(thrown, DOING, 'the host')
      return { ...failed(error), hasLeft: !UNSENT.test(error.message) }
    } finally {
      signal.removeEventListener('abort', abort)
    }
  }
}

function failed(error: MailError) {
  return { outcome: 'failed', error, hasLeft: true } as const
}

async function fetched(http: Http, url: string | URL | Request, request: RequestInit = {}): Promise<Response> {
  const headers = new Headers(request.headers)
  const answer = await http.exchange(url instanceof Request ? url.url : url, {
    method: request.method ?? 'POST',
    headers: Object.fromEntries(HEADERS.flatMap(name => (headers.has(name) ? [[name, headers.get(name) ?? '']] : []))),
    ...(typeof request.body === 'string' ? { body: request.body } : {}),
    signal: request.signal ?? undefined,
    mostBytes: MOST_BYTES,
  })
  // The body is read here, so that the time limit covers it.
  const body = await answer.text()
  const hasBody = answer.status !== 204 && answer.status !== 304
  return new Response(hasBody ? body : null, { status: answer.status, headers: [...answer.headers.entries()] })
}

interface StatusError {
  code?: unknown
  type?: unknown
  param?: unknown
  message?: unknown
  error?: unknown
  headers?: unknown
}

function refusalOf(
  { code, type, param, message, error, headers }: StatusError,
  status: number,
  now: number,
): HostRefusal {
  // Hosts write the body in various ways; some put the whole error into it without a field `error`.
  const body = typeof error === 'object' && error !== null ? (error as StatusError) : {}
  return {
    status,
    code: textOf(code ?? body.code),
    type: textOf(type ?? body.type),
    param: textOf(param ?? body.param),
    message: textOf(body.message ?? message),
    retryAfterMs: waitIn(retryAfterIn(headers), now),
  }
}

function textOf(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value).slice(0, LONGEST_TEXT) : ''
}
