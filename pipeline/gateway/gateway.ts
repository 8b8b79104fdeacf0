import type { AddressInfo } from 'node:net'
import rateLimit from '@fastify/rate-limit'
import { type FastifyInstance, fastify } from 'fastify'
import type { Config } from '../../shared/config.ts'
import { MailError } from '../../shared/error.ts'
import type { Log } from '../log.ts'
import { stateKeysOf } from '../outlook-notify.ts'
import { within } from '../wait.ts'
import type { Office } from '../wire.ts'
import { addGmailPush } from './gmail-push.ts'
import { startIntake } from './intake.ts'
import { addOutlookPush } from './outlook-push.ts'
import { problemOf, sendProblem } from './problem.ts'
import { openReception, type Reception } from './reception.ts'
import { createVerify, type Verify } from './verify.ts'

/** The way in: notifications by HTTP, where a port is given, and by the intake stream. */
export interface Gateway {
  /** For people: where it listens, and whether pushes are accepted; `undefined` where it does not listen. */
  label: string | undefined
  port: number | undefined
  /** The settings, with those that follow from where it listens. */
  config: Config
  /** Accepts nothing new, finishes what is under way within `drainMs`, leaves the rest to others. */
  stop(drainMs: number): Promise<void>
}

const GOOGLE_CERTS = 'https://www.googleapis.com/oauth2/v3/certs'
const READY_WITHIN_MS = 2000
const REQUEST_WITHIN_MS = 15_000

/** Starts to listen on a port, or to the intake alone; `settingsAt` is asked once what follows from the port it got. Throws `misconfigured` when the port is taken or the settings contradict. */
export async function startGateway(
  office: Office,
  { port, log, settingsAt }: { port: number | undefined; log: Log; settingsAt?: (port: number) => Partial<Config> },
): Promise<Gateway> {
  const reception = openReception(office, log)
  const app = port === undefined ? undefined : await listen(office, { port, reception, log })
  const intake = startIntake(office, reception, log)
  const bound = app && (app.server.address() as AddressInfo).port
  const config = bound === undefined ? office.config : { ...office.config, ...settingsAt?.(bound) }
  return {
    port: bound,
    config,
    label: bound === undefined ? undefined : labelOf(config, bound),
    async stop(drainMs) {
      await Promise.all([app && close(app, drainMs), intake.stop(drainMs)])
    },
  }
}

/** Whose pushes are believed; `undefined` where nothing is set. Throws `misconfigured` when only a part of it is. */
function trustIn(config: Config): Verify | undefined {
  const { GMAIL_PUSH_AUDIENCE: audience, GMAIL_PUSH_SERVICE_ACCOUNT: serviceAccount } = config
  if (!audience && !serviceAccount) return undefined
  if (!audience || !serviceAccount) {
    const [is, not] = audience ? ['AUDIENCE', 'SERVICE_ACCOUNT'] : ['SERVICE_ACCOUNT', 'AUDIENCE']
    throw new MailError('misconfigured', `GMAIL_PUSH_${is} is set and GMAIL_PUSH_${not} is not: set both, or none`)
  }
  const certsUrl = config.GMAIL_PUSH_CERTS_URL ?? GOOGLE_CERTS
  // Keys that came by http could be anybody's.
  if (config.NODE_ENV === 'production' && !config.SIM_URL && !certsUrl.startsWith('https:'))
    throw new MailError('misconfigured', 'GMAIL_PUSH_CERTS_URL must begin with https:// where NODE_ENV is production')
  return createVerify({ audience, serviceAccount, certsUrl })
}

async function listen(
  office: Office,
  { port, reception, log }: { port: number; reception: Reception; log: Log },
): Promise<FastifyInstance> {
  const { config, redis, now } = office
  const app = fastify({ requestTimeout: REQUEST_WITHIN_MS, routerOptions: { ignoreTrailingSlash: true } })
  let isClosing = false
  app.addHook('preClose', async () => {
    isClosing = true
  })
  // A connection that is kept for later would keep the gateway up.
  app.addHook('onSend', async (_, reply) => {
    if (isClosing) reply.header('connection', 'close')
  })
  // What was believed is looked into by ourselves, whatever it calls itself.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'string' }, async (_: unknown, body: string) => body)
  app.setErrorHandler((thrown, _, reply) => {
    const { status, detail } = problemOf(thrown)
    if (status >= 500 && !(thrown instanceof MailError)) log.error({ error: String(thrown) }, 'a request failed')
    return sendProblem(reply, status, detail)
  })
  app.setNotFoundHandler((_, reply) => sendProblem(reply, 404, 'there is nothing here'))
  await app.register(rateLimit, {
    global: false,
    errorResponseBuilder: (_, { after }) => new MailError('throttled', `too many requests; try again in ${after}`),
  })
  app.get('/healthz', async () => ({ ok: true }))
  app.get('/readyz', async (_, reply) => {
    const pong = await within(
      redis.ping().catch(() => undefined),
      READY_WITHIN_MS,
    )
    return pong ? { ok: true } : sendProblem(reply, 503, 'Redis does not answer')
  })
  const perMinute = config.GATEWAY_RATE_LIMIT
  addGmailPush(app, { verify: trustIn(config), reception, now, rateLimit: perMinute, log })
  addOutlookPush(app, { office, reception, clientStateKeys: stateKeysOf(config), rateLimit: perMinute, log })
  await app.listen({ host: config.GATEWAY_HOST, port }).catch((error: NodeJS.ErrnoException) => {
    const reason = error.code === 'EADDRINUSE' ? 'it is in use' : error.message
    throw new MailError('misconfigured', `cannot listen on port ${port}: ${reason}; choose another with --port or PORT`)
  })
  return app
}

function labelOf({ GATEWAY_HOST: host, GMAIL_PUSH_AUDIENCE, OUTLOOK_NOTIFICATION_URL }: Config, port: number): string {
  const paths = [...(GMAIL_PUSH_AUDIENCE ? ['/gmail/push'] : []), ...(OUTLOOK_NOTIFICATION_URL ? ['/outlook'] : [])]
  const pushes =
    paths.length > 0
      ? `pushes go to ${paths.join(' and ')}`
      : 'pushes are refused until GMAIL_PUSH_AUDIENCE and GMAIL_PUSH_SERVICE_ACCOUNT are set'
  return `http://${host}:${port} (${pushes})`
}

async function close(app: FastifyInstance, drainMs: number): Promise<void> {
  await within(app.close(), drainMs)
  app.server.closeAllConnections()
}
