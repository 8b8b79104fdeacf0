import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type GraphClient, graphClient } from '../../../shared/outlook/client.ts'
import type { Cost, Permit, Quota, Spent } from '../../../shared/provider/quota.ts'
import type { AccessTokens } from '../../../shared/provider/tokens.ts'
import { http } from '../../support/surroundings.ts'

/** A request that the scripted Graph received; `path` follows the host and includes the query. */
export interface Asked {
  method: string
  path: string
  headers: IncomingMessage['headers']
  body: string
}

/**
 * A scripted answer: objects as JSON, text unchanged; `never` leaves the caller waiting, `hang up` cuts the
 * connection.
 */
export type Reply = { status?: number; headers?: Record<string, string>; body?: unknown } | 'never' | 'hang up'

/** A scripted Graph on loopback that records its requests. */
export interface Graph {
  url: string
  rootUrl: string
  asked: Asked[]
  close(): Promise<void>
}

/** Starts a scripted Graph. */
export async function startGraph(script: (asked: Asked, graph: Graph) => Reply | Promise<Reply>): Promise<Graph> {
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const { method = '', url: path = '', headers } = request
    const asked = { method, path, headers, body: Buffer.concat(chunks).toString() }
    graph.asked.push(asked)
    const reply = await script(asked, graph)
    if (reply === 'never') return
    if (reply === 'hang up') return void request.socket.destroy()
    const { status = 200, headers: reported = {}, body = '' } = reply
    const isText = typeof body === 'string'
    response.writeHead(status, { 'content-type': isText ? 'text/html' : 'application/json', ...reported })
    response.end(isText ? body : JSON.stringify(body))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const graph: Graph = {
    url,
    rootUrl: `${url}/v1.0`,
    asked: [],
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
  return graph
}

/** Creates a client for a scripted Graph; `refused` is its token source's reaction to a 401. */
export function clientOf(
  { rootUrl }: Pick<Graph, 'rootUrl'>,
  { refused = false, timeoutMs, now }: { refused?: boolean; timeoutMs?: number; now?: () => number } = {},
): { client: GraphClient; tokens: { given: number; refused: string[] } } {
  const seen = { given: 0, refused: [] as string[] }
  const tokens: AccessTokens = {
    async get() {
      seen.given += 1
      return `s3cret-${seen.given}`
    },
    async refused(token) {
      seen.refused.push(token)
      return refused
    },
  }
  return { client: graphClient({ tokens, rootUrl, timeoutMs, http, ...(now ? { now } : {}) }), tokens: seen }
}

/** One request of a received batch. */
export interface Inner {
  id: string
  method: string
  url: string
  headers: Record<string, string>
}

/** A part of a batch answer, without its id. */
export type Part = { status: number; headers?: Record<string, string>; body?: unknown }

export const isBatch = ({ method, path }: Asked) => method === 'POST' && path === '/v1.0/$batch'

/** Returns the requests in a batch. */
export function requestsIn({ body }: Asked): Inner[] {
  return (JSON.parse(body) as { requests: Inner[] }).requests
}

/**
 * Builds a batch answer with these parts, the last request's first, as Graph may do; `undefined` leaves a
 * part out.
 */
export function batchAnswer(asked: Asked, partOf: (url: string, place: number) => Part | undefined): Reply {
  const responses = requestsIn(asked).flatMap(({ id, url }, place) => {
    const part = partOf(url, place)
    return part ? [{ id, ...part }] : []
  })
  return { body: { responses: responses.reverse() } }
}

/** Builds an error body in Graph's format. */
export function graphError(code: string, message = 'It went wrong.', inner?: string) {
  return { error: { code, message, ...(inner === undefined ? {} : { innerError: { code: inner } }) } }
}

/** Builds a message resource with all requested fields. */
export function resource(id: string, fields: Record<string, unknown> = {}): Record<string, unknown> & { id: string } {
  return {
    '@odata.etag': `W/"${id}"`,
    id,
    conversationId: `c-${id}`,
    parentFolderId: 'inbox-id',
    receivedDateTime: '2026-11-23T10:00:00Z',
    subject: `About ${id}`,
    from: { emailAddress: { name: 'Bo', address: 'bo@example.com' } },
    toRecipients: [{ emailAddress: { name: 'Ana', address: 'ana@example.com' } }],
    ccRecipients: [],
    bodyPreview: `The text of ${id}`,
    isRead: true,
    isDraft: false,
    flag: { flagStatus: 'notFlagged' },
    importance: 'normal',
    categories: [],
    ...fields,
  }
}

/** Creates a quota that gives the scripted permits, then "go", and records requests and settlements. */
export function scriptedQuota(...words: (Exclude<Permit, { permit: 'go' }> | 'go')[]) {
  const asked: Cost[] = []
  const settled: Spent[] = []
  const quota: Quota = {
    async reserve(cost) {
      asked.push(cost)
      const word = words.shift() ?? 'go'
      if (word !== 'go') return word
      return { permit: 'go', settle: async spent => void settled.push(spent) }
    },
  }
  return { quota, asked, settled }
}
