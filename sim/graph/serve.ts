import { randomUUID } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { latencyMs, type Profile, pause } from '../profile.ts'
import { understand, type World } from './answer.ts'
import { answerParts, type BatchPart, readBatch } from './batch.ts'
import type { GraphAnswer, GraphRequest } from './call.ts'
import type { countCalls } from './calls.ts'
import { asGraphError, badRequest, errorBody } from './error.ts'

interface Serving {
  world: World
  calls: ReturnType<typeof countCalls>
  profile: Profile
  speed: number
  closing: AbortSignal
}

const BATCH = /^\/(v1\.0|beta)\/\$batch(\?|$)/i

/** Adds Graph to a server: requests under `/v1.0`, and batches of them, each after the profile's latency. */
export function addServing(app: FastifyInstance, { world, calls, profile, speed, closing }: Serving): void {
  app.removeContentTypeParser('application/json')
  app.addContentTypeParser('application/json', { parseAs: 'string' }, async (_: unknown, body: string) =>
    readJson(body),
  )
  app.setNotFoundHandler(async (request, reply) => {
    // OData's paths are no fastify routes: keys in brackets, words in any case.
    const origin = `${request.protocol}://${request.host}`
    return BATCH.test(request.url) ? batch(request, reply, origin) : single(request, reply, origin)
  })
  app.setErrorHandler((thrown, request, reply) => send(reply, failure(thrown, request.headers)))

  async function single(request: FastifyRequest, reply: FastifyReply, origin: string) {
    const { kind, answer } = understand(requestOf(request), { origin, world })
    calls.note(kind)
    await pause(latencyMs(profile, { kind: kind === 'get' ? 'single' : kind, parts: 0 }) / speed, closing)
    return send(reply, await answer())
  }

  async function batch(request: FastifyRequest, reply: FastifyReply, origin: string) {
    calls.note('batch')
    world.tokens.readAuthorization(request.headers.authorization)
    if (request.method !== 'POST') throw badRequest('A batch is sent with POST.')
    const parts = readBatch(request.body, request.url.split('/')[1] ?? '')
    await pause(latencyMs(profile, { kind: 'batch', parts: parts.length }) / speed, closing)
    const { authorization } = request.headers
    const answers = await answerParts(parts, part => answerPart(part, { origin, authorization }))
    const responses = answers.map(({ id, status, headers, body }) => ({
      id,
      status,
      headers: { ...headers, 'cache-control': 'private', 'content-type': 'application/json' },
      body: Buffer.isBuffer(body) ? body.toString('base64') : body,
    }))
    return send(reply, { status: 200, body: { responses } })
  }

  async function answerPart(
    part: BatchPart,
    { origin, authorization }: { origin: string; authorization: string | undefined },
  ) {
    const headers = { ...part.headers, authorization: part.headers.authorization ?? authorization }
    try {
      const { kind, answer } = understand({ ...part, headers }, { origin, world })
      calls.notePart(kind)
      return await answer()
    } catch (thrown) {
      return failure(thrown, headers)
    }
  }

  function failure(thrown: unknown, headers: Readonly<Record<string, unknown>>): GraphAnswer {
    const error = asGraphError(thrown)
    const clientRequestId = headers['client-request-id']
    const body = errorBody(error, {
      nowMs: world.now(),
      clientRequestId: typeof clientRequestId === 'string' ? clientRequestId : undefined,
    })
    return { status: error.status, headers: error.headers, body }
  }
}

function requestOf({ method, url, headers, body }: FastifyRequest): GraphRequest {
  const plain = Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value])
  return { method, url, headers: Object.fromEntries(plain), body }
}

function send(reply: FastifyReply, { status, headers, body }: GraphAnswer): FastifyReply {
  const id = randomUUID()
  reply.code(status).headers({ 'request-id': id, 'client-request-id': id, 'odata-version': '4.0', ...headers })
  if (body === undefined) return reply.send()
  if (Buffer.isBuffer(body)) return reply.send(body)
  return reply
    .type('application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8')
    .send(JSON.stringify(body))
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
