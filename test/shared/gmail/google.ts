import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { MailError } from '../../../shared/error.ts'
import type { Call, CallKind } from '../../../shared/mailbox.ts'

/** A request that the scripted Google received. */
export interface Asked {
  method: string
  path: string
  query: URLSearchParams
  headers: IncomingMessage['headers']
  body: string
}

/**
 * A scripted answer: objects as JSON, text unchanged; `never` leaves the caller waiting, `hang up` cuts the
 * connection.
 */
export type Reply = { status?: number; headers?: Record<string, string>; body?: unknown } | 'never' | 'hang up'

/** A scripted Google on loopback that records its requests; token requests are counted separately. */
export interface Google {
  rootUrl: string
  tokenUrl: string
  asked: Asked[]
  tokens: Asked[]
  close(): Promise<void>
}

/** Starts a scripted Google; without `token` it grants tokens called token-1, token-2 and so on. */
export async function startGoogle(
  script: (asked: Asked, google: Google) => Reply,
  token?: (asked: Asked) => Reply,
): Promise<Google> {
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const url = new URL(request.url ?? '/', google.rootUrl)
    const asked = {
      method: request.method ?? '',
      path: url.pathname,
      query: url.searchParams,
      headers: request.headers,
      body: Buffer.concat(chunks).toString(),
    }
    const isToken = url.pathname === '/token'
    const kept = isToken ? google.tokens : google.asked
    kept.push(asked)
    const grant: Reply = {
      body: { access_token: `token-${google.tokens.length}`, expires_in: 3600, token_type: 'Bearer' },
    }
    const reply = isToken ? (token?.(asked) ?? grant) : script(asked, google)
    if (reply === 'never') return
    if (reply === 'hang up') return void request.socket.destroy()
    const { status = 200, headers = {}, body = '' } = reply
    const isText = typeof body === 'string'
    response.writeHead(status, { 'content-type': isText ? 'text/plain' : 'application/json', ...headers })
    response.end(isText ? body : JSON.stringify(body))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const google: Google = {
    rootUrl: `${url}/`,
    tokenUrl: `${url}/token`,
    asked: [],
    tokens: [],
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
  return google
}

/** Creates an abortable call that records what was metered. */
export function openCall(): Call & { metered: [CallKind, number][]; abort(): void } {
  const controller = new AbortController()
  const metered: [CallKind, number][] = []
  return {
    signal: controller.signal,
    meter: (kind, units) => void metered.push([kind, units]),
    metered,
    abort: () => controller.abort(),
  }
}

/** Returns the MailError that a call fails with; throws if it succeeds or throws anything else. */
export async function failure(work: Promise<unknown>): Promise<MailError> {
  const thrown = await work.then(
    () => 'nothing',
    error => error,
  )
  if (thrown instanceof MailError) return thrown
  throw new Error(`expected a MailError, not ${thrown}`)
}

/** Builds an error body in the API's format. */
export function apiError(code: number, reason: string, message = 'It went wrong.') {
  return { error: { code, message, errors: [{ message, domain: 'global', reason }] } }
}

/** Builds a message resource with its own id and subject. */
export function resource(id: string, subject = `About ${id}`) {
  return {
    id,
    threadId: `t-${id}`,
    labelIds: ['INBOX'],
    snippet: `The text of ${id}`,
    internalDate: '1790000000000',
    payload: { headers: [{ name: 'Subject', value: subject }] },
  }
}

/** One part of a batch answer to write; `contentId` is the header's raw value, absent if undefined. */
export interface Written {
  contentId?: string | undefined
  status?: string
  body?: unknown
  headers?: string[]
}

/** Writes a batch answer in Google's format. */
export function batchAnswer(
  parts: readonly Written[],
  boundary = 'batch_abc',
): { headers: Record<string, string>; body: string } {
  const texts = parts.map(({ contentId, status = '200 OK', body, headers = [] }) =>
    [
      `--${boundary}`,
      'Content-Type: application/http',
      ...(contentId === undefined ? [] : [`Content-ID: ${contentId}`]),
      '',
      `HTTP/1.1 ${status}`,
      'Content-Type: application/json; charset=UTF-8',
      ...headers,
      '',
      ...(body === undefined ? [] : [typeof body === 'string' ? body : JSON.stringify(body, null, 2)]),
      '',
    ].join('\r\n'),
  )
  return {
    headers: { 'content-type': `multipart/mixed; boundary=${boundary}` },
    body: `${texts.join('')}--${boundary}--\r\n`,
  }
}
