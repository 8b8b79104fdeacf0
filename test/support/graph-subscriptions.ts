import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A subscription as it was requested. */
export interface Ordered {
  id: string
  resource: string
  changeType: string
  notificationUrl: string
  lifecycleNotificationUrl: string
  clientState: string
  expirationDateTime: string
}

/** Graph's subscription endpoints, on loopback. */
export interface GraphSubscriptions {
  rootUrl: string
  /** The existing subscriptions, by id. */
  kept: Map<string, Ordered>
  /** The requests it got: method, path and Prefer header, one line each. */
  asked: string[]
  /** Answers the next request instead, if it returns an answer. */
  instead: (() => { status: number; body?: unknown; headers?: Record<string, string> } | undefined) | undefined
  /** Whether it validates notification addresses first, as Graph does. */
  shakesHands: boolean
  close(): Promise<void>
}

const NOT_THERE = { error: { code: 'ResourceNotFound', message: 'The object was not found.' } }

/** Starts the endpoints without subscriptions. */
export async function startGraphSubscriptions(): Promise<GraphSubscriptions> {
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const { method = '', url = '', headers } = request
    graph.asked.push([method, url, headers.prefer ?? ''].join(' ').trim())
    const answer = graph.instead?.() ?? (await kept(method, url, Buffer.concat(chunks).toString()))
    response.writeHead(answer.status, { 'content-type': 'application/json', ...answer.headers })
    response.end(answer.body === undefined ? '' : JSON.stringify(answer.body))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const graph: GraphSubscriptions = {
    rootUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1.0`,
    kept: new Map(),
    asked: [],
    instead: undefined,
    shakesHands: false,
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
  return graph

  async function kept(
    method: string,
    url: string,
    text: string,
  ): Promise<{ status: number; body?: unknown; headers?: Record<string, string> }> {
    const id = decodeURIComponent(url.replace('/v1.0/subscriptions', '').slice(1))
    if (method === 'POST') return order(JSON.parse(text) as Ordered)
    const found = graph.kept.get(id)
    if (!found) return { status: 404, body: NOT_THERE }
    if (method === 'DELETE') graph.kept.delete(id)
    else Object.assign(found, JSON.parse(text))
    return method === 'DELETE' ? { status: 204 } : { status: 200, body: found }
  }

  async function order(said: Ordered) {
    for (const url of graph.shakesHands ? [said.notificationUrl, said.lifecycleNotificationUrl] : []) {
      const token = `Validation: is <anybody> there? ${randomUUID()}`
      const answer = await fetch(`${url}?validationToken=${encodeURIComponent(token)}`, { method: 'POST' }).catch(
        () => undefined,
      )
      const isText = answer?.headers.get('content-type')?.startsWith('text/plain')
      if (answer?.status !== 200 || !isText || (await answer.text()) !== token) {
        const error = { code: 'ValidationError', message: 'Subscription validation request failed.' }
        return { status: 400, body: { error } }
      }
    }
    const made = { ...said, id: randomUUID() }
    graph.kept.set(made.id, made)
    return { status: 201, body: made }
  }
}
