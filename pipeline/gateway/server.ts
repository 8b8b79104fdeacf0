import rateLimit from '@fastify/rate-limit'
import { type FastifyInstance, fastify } from 'fastify'
import { MailError } from '../../shared/error.ts'
import { stateKeysOf } from '../accounts/outlook-notify.ts'
import type { AppContext } from '../base/app.ts'
import type { Log } from '../base/log.ts'
import { within } from '../base/wait.ts'
import { createClientAddress } from './client-address.ts'
import { boundConnections } from './connections.ts'
import type { EndpointContext } from './endpoint.ts'
import { addGmailPush } from './gmail-push.ts'
import { addOutlookPush } from './outlook-push.ts'
import { problemOf, sendProblem } from './problem.ts'
import { countRefusals } from './refused.ts'
import type { Verify } from './verify.ts'

const READY_WITHIN_MS = 2000
const HEADERS_WITHIN_MS = 5000
const REQUEST_WITHIN_MS = 10_000
const CHECK_EVERY_MS = 1000
// A connection on which nothing moves while a request is answered. Between requests it may rest for as long as most proxies keep theirs.
const STILL_MS = 15_000
const KEEP_ALIVE_MS = 72_000
// Where a route says nothing else.
const BODY_LIMIT_BYTES = 1024

/** What the server needs beside the app; pushes are refused where `verify` is `undefined`. */
type Serving = Pick<EndpointContext, 'reception' | 'telling'> & { port: number; verify: Verify | undefined; log: Log }

/**
 * Listens for pushes. Whatever strangers send is bounded in size, time and number, and so is what is logged of it. Throws `misconfigured`
 * when the port is taken.
 */
export async function listen(app: AppContext, { port, verify, log, ...way }: Serving): Promise<FastifyInstance> {
  const { config, now } = app
  const http = createApp()
  const clientOf = createClientAddress(config.TRUSTED_PROXIES)
  await http.register(rateLimit, { global: false })
  const refusals = countRefusals(http, { most: config.GATEWAY_RATE_LIMIT, clientOf })
  const connections = boundConnections(http.server, config.GATEWAY_MAX_CONNECTIONS)
  const endpoint: EndpointContext = { ...way, refusals, connections, clientOf, now }
  closeAfterLast(http)
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
    // Set later, as Fastify's own options are, Node does not look at them: bodies that trickle would be held for a minute and more.
    http: {
      headersTimeout: HEADERS_WITHIN_MS,
      requestTimeout: REQUEST_WITHIN_MS,
      connectionsCheckingInterval: CHECK_EVERY_MS,
    },
    requestTimeout: REQUEST_WITHIN_MS,
    connectionTimeout: STILL_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    bodyLimit: BODY_LIMIT_BYTES,
    routerOptions: { ignoreTrailingSlash: true },
  })
  // What was believed is looked into by ourselves, whatever it calls itself.
  http.removeAllContentTypeParsers()
  http.addContentTypeParser('*', { parseAs: 'string' }, async (_: unknown, body: string) => body)
  return http
}

// A connection that is kept for later would keep the gateway up.
function closeAfterLast(http: FastifyInstance): void {
  let isClosing = false
  http.addHook('preClose', async () => {
    isClosing = true
  })
  http.addHook('onSend', async (_, reply) => {
    if (isClosing) reply.header('connection', 'close')
  })
}

function answerProblems(http: FastifyInstance, { refusals, telling, clientOf }: EndpointContext): void {
  http.setErrorHandler(async (thrown, request, reply) => {
    const problem = problemOf(thrown)
    const facts = { ip: clientOf(request.raw) }
    if (problem.status === 429) {
      const text =
        'an address had GATEWAY_RATE_LIMIT requests refused and is held off; if it is a proxy, set TRUSTED_PROXIES'
      telling.tell({ level: 'warn', text, facts })
    } else if (problem.status < 500) await refusals.count(request)
    else if (!(thrown instanceof MailError))
      telling.tell({ level: 'error', text: 'a request failed', facts: { error: String(thrown) } })
    return sendProblem(reply, problem)
  })
  // What is sent to no place is not read.
  http.addHook('onRequest', async (request, reply) => {
    if (request.is404) return sendProblem(reply, { status: 404, detail: 'there is nothing here' })
  })
  http.setNotFoundHandler((_, reply) => sendProblem(reply, { status: 404, detail: 'there is nothing here' }))
}

function addHealth(http: FastifyInstance, { redis }: Pick<AppContext, 'redis'>): void {
  http.get('/healthz', async () => ({ ok: true }))
  let asked: Promise<unknown> | undefined
  // One question at a time, however many ask.
  const ask = () => {
    asked ??= redis
      .ping()
      .catch(() => undefined)
      .finally(() => {
        asked = undefined
      })
    return asked
  }
  http.get('/readyz', async (_, reply) => {
    const pong = await within(ask(), READY_WITHIN_MS)
    return pong ? { ok: true } : sendProblem(reply, { status: 503, detail: 'Redis does not answer' })
  })
}
