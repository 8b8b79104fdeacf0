import rateLimit from '@fastify/rate-limit'
import { type FastifyInstance, type FastifyRequest, fastify } from 'fastify'
import { MailError } from '../../shared/error.ts'
import { stateKeysOf } from '../accounts/providers/outlook-notify.ts'
import type { AppContext } from '../base/app.ts'
import type { Log } from '../base/log.ts'
import { within } from '../base/wait.ts'
import { createClientAddress } from './client-address.ts'
import { boundConnections } from './connections.ts'
import type { EndpointContext } from './endpoint.ts'
import { addGmailPush } from './gmail-push.ts'
import { addOutlookPush } from './outlook-push.ts'
import type { Pace } from './pace.ts'
import { problemOf, sendProblem } from './problem.ts'
import { countRefusals } from './refused.ts'
import type { Verify } from './verify.ts'

const READY_WITHIN_MS = 2000
const HEADERS_WITHIN_MS = 5000
const REQUEST_WITHIN_MS = 10_000
const CHECK_EVERY_MS = 1000
// IDLE_MS closes a connection that stalls within a request. Between requests it may idle as long as most proxies keep theirs.
const IDLE_MS = 15_000
const KEEP_ALIVE_MS = 72_000
// The default of routes without their own limit.
const BODY_LIMIT_BYTES = 1024

/** The dependencies of the server besides the app; pushes are refused when `verify` is `undefined`. */
type ServerOptions = Pick<EndpointContext, 'receiver' | 'limitedLog'> & {
  port: number
  verify: Verify | undefined
  log: Log
  pace: Pace
}

/**
 * Listens for pushes. Hostile requests are bounded in size, time and number, and so are the log lines about them. Throws `misconfigured`
 * when the port is in use.
 */
export async function listen(
  app: AppContext,
  { port, verify, log, pace, ...deps }: ServerOptions,
): Promise<FastifyInstance> {
  const { config, now, surroundings } = app
  const { machine } = surroundings
  const http = createApp()
  const clientOf = createClientAddress(config.TRUSTED_PROXIES)
  await http.register(rateLimit, { global: false })
  const refusals = countRefusals(http, { most: config.GATEWAY_RATE_LIMIT, clientOf, pace, machine })
  const connections = boundConnections(http.server, config.GATEWAY_MAX_CONNECTIONS)
  const endpoint: EndpointContext = { ...deps, refusals, connections, clientOf, now, machine }
  closeWhenIdle(http)
  answerProblems(http, endpoint)
  addHealth(http, app)
  addGmailPush(http, { ...endpoint, verify })
  addOutlookPush(http, { ...endpoint, app, clientStateKeys: stateKeysOf(config), log })
  await http.listen({ host: config.GATEWAY_HOST, port }).catch((error: NodeJS.ErrnoException) => {
    const reason = error.code === 'EADDRINUSE' ? 'it is in use' : error.message
    throw new MailError('misconfigured', `cannot listen on port ${port}: ${reason}; choose another with --port or PORT`)
  })
  return http
}

function createApp(): FastifyInstance {
  const http = fastify({
    // Node ignores these when Fastify sets them later, and trickling bodies would occupy a connection for a minute or more.
    http: {
      headersTimeout: HEADERS_WITHIN_MS,
      requestTimeout: REQUEST_WITHIN_MS,
      connectionsCheckingInterval: CHECK_EVERY_MS,
    },
    requestTimeout: REQUEST_WITHIN_MS,
    connectionTimeout: IDLE_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    bodyLimit: BODY_LIMIT_BYTES,
    routerOptions: { ignoreTrailingSlash: true },
  })
  // Handlers parse verified bodies themselves, regardless of the content type.
  http.removeAllContentTypeParsers()
  http.addContentTypeParser('*', { parseAs: 'string' }, async (_: unknown, body: string) => body)
  return http
}

// A keep-alive connection would delay the shutdown.
function closeWhenIdle(http: FastifyInstance): void {
  let isClosing = false
  http.addHook('preClose', async () => {
    isClosing = true
  })
  http.addHook('onSend', async (_, reply) => {
    if (isClosing) reply.header('connection', 'close')
  })
}

function answerProblems(http: FastifyInstance, { refusals, limitedLog, connections, clientOf }: EndpointContext): void {
  http.setErrorHandler(async (thrown, request, reply) => {
    const problem = problemOf(thrown)
    const facts = { ip: clientOf(request.raw) }
    if (problem.status === 429) {
      const text =
        'an address reached GATEWAY_RATE_LIMIT refused requests and is rate-limited; if it is a proxy, set TRUSTED_PROXIES'
      limitedLog.report({ level: 'warn', text, facts })
    } else if (problem.status < 500) await refusals.count(request)
    else if (!(thrown instanceof MailError))
      limitedLog.report({ level: 'error', text: 'request failed', facts: { error: String(thrown) } })
    if (problem.status < 500) await late(request)
    return sendProblem(reply, problem)
  })
  // The body of a request to an unknown path is not read.
  http.addHook('onRequest', async (request, reply) => {
    if (!request.is404) return
    await late(request)
    return sendProblem(reply, { status: 404, detail: 'no such path' })
  })
  http.setNotFoundHandler((_, reply) => sendProblem(reply, { status: 404, detail: 'no such path' }))

  async function late({ raw }: FastifyRequest): Promise<void> {
    connections.refuse(raw.socket)
    await refusals.pace()
  }
}

function addHealth(
  http: FastifyInstance,
  { redis, surroundings: { machine } }: Pick<AppContext, 'redis' | 'surroundings'>,
): void {
  http.get('/healthz', async () => ({ ok: true }))
  let pending: Promise<unknown> | undefined
  // Concurrent probes share one ping.
  const ping = () => {
    pending ??= redis
      .ping()
      .catch(() => undefined)
      .finally(() => {
        pending = undefined
      })
    return pending
  }
  http.get('/readyz', async (_, reply) => {
    const pong = await within(ping(), READY_WITHIN_MS, machine)
    return pong ? { ok: true } : sendProblem(reply, { status: 503, detail: 'Redis does not answer' })
  })
}
