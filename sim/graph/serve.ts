import { randomUUID } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { pause } from '../profile.ts'
import { understand } from './answer.ts'
import type { GraphAnswer, GraphRequest } from './call.ts'
import { asGraphError, badRequest, errorBody, notFound } from './error.ts'
import { runBatch } from './run-batch.ts'
import { JSON_TYPE, type Serving } from './serving.ts'
import type { Striking } from './strike.ts'

const BATCH = /^\/(v1\.0|beta)\/\$batch(\?|$)/i

/**
 * Adds Graph to a server: requests under `/v1.0`, and batches of them. Each is counted, limited, delayed by
 * the profile's latency, and struck by faults.
 */
export function addServing(app: FastifyInstance, serving: Serving): void {
  const { state, calls, throttling, striking, latency, closing } = serving
  app.removeContentTypeParser('application/json')
  app.addContentTypeParser('application/json', { parseAs: 'string' }, async (_: unknown, body: string) =>
    readJson(body),
  )
  // For mails on the control port.
  app.addContentTypeParser('*', { parseAs: 'buffer' }, async (_: unknown, body: Buffer) => body)
  app.setNotFoundHandler(async (request, reply) => {
    if (request.url.startsWith('/control/')) throw notFound()
    // OData paths do not fit fastify routes: keys in brackets, words in any case.
    const origin = `${request.protocol}://${request.host}`
    return BATCH.test(request.url) ? batch(request, reply, origin) : single(request, reply, origin)
  })
  app.setErrorHandler((thrown, { url, headers }, reply) => {
    const answer = failure(thrown, headers)
    return url.startsWith('/control/') ? send(reply, answer) : sendStruck(reply, answer)
  })

  async function single(request: FastifyRequest, reply: FastifyReply, origin: string) {
    const { kind, address, answer } = understand(requestOf(request), { origin, state })
    calls.note(kind)
    if (address !== undefined) {
      const { refusals, release } = throttling.admit(address, 1)
      reply.raw.once('close', release)
      if (refusals[0]) throw refusals[0]
    }
    await pause(latency({ kind: kind === 'get' ? 'single' : kind, parts: 0 }), closing)
    if (cut(request, reply)) return reply
    striking.denied(request.url, address)
    if (kind === 'delta') striking.delta()
    return sendStruck(reply, await answer())
  }

  async function batch(request: FastifyRequest, reply: FastifyReply, origin: string) {
    calls.note('batch')
    const responses = await runBatch(requestOf(request), {
      origin,
      serving,
      failure,
      onSent: release => reply.raw.once('close', release),
      latency: async parts => {
        await pause(latency({ kind: 'batch', parts }), closing)
        return cut(request, reply)
      },
    })
    return responses ? sendStruck(reply, { status: 200, body: { responses } }) : reply
  }

  /** Whether the connection was taken over: cut, or answered with a page. Throws an error to answer with. */
  function cut(request: FastifyRequest, reply: FastifyReply): boolean {
    const struck = striking.whole()
    if (struck === 'reset') {
      reply.hijack()
      request.raw.socket.resetAndDestroy()
    } else if (struck) {
      reply.code(503).type('text/html; charset=utf-8').send(struck.page)
    }
    return struck !== undefined
  }

  function failure(thrown: unknown, headers: Readonly<Record<string, unknown>>): GraphAnswer {
    const error = asGraphError(thrown)
    const given = headers['client-request-id']
    const clientRequestId = typeof given === 'string' ? given : undefined
    const body = errorBody(error, { nowMs: state.now(), clientRequestId })
    return { status: error.status, headers: error.headers, body }
  }

  function sendStruck(reply: FastifyReply, answer: GraphAnswer): FastifyReply {
    return send(reply, answer, striking.text)
  }
}

function requestOf({ method, url, headers, body }: FastifyRequest): GraphRequest {
  const plain = Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value])
  return { method, url, headers: Object.fromEntries(plain), body }
}

function send(
  reply: FastifyReply,
  { status, headers, body }: GraphAnswer,
  changed: Striking['text'] = text => text,
): FastifyReply {
  const id = randomUUID()
  reply.code(status).headers({ 'request-id': id, 'client-request-id': id, 'odata-version': '4.0', ...headers })
  if (body === undefined || Buffer.isBuffer(body)) return reply.send(body)
  return reply.type(JSON_TYPE).send(changed(JSON.stringify(body)))
}

function readJson(text: string): unknown {
  if (text.trim() === '') return undefined
  try {
    return JSON.parse(text)
  } catch {
    throw badRequest(
      'Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format.',
    )
  }
}
