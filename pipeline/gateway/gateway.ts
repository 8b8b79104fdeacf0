import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import type { Config } from '../../shared/config.ts'
import { MailError } from '../../shared/error.ts'
import type { AppContext } from '../base/app.ts'
import type { Log } from '../base/log.ts'
import { within } from '../base/wait.ts'
import { startIntake } from './intake.ts'
import { createLimitedLog } from './limited-log.ts'
import { createReceiver } from './receiver.ts'
import { listen } from './server.ts'
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

/** Starts to listen on a port, or to the intake alone; `settingsAt` is asked once what follows from the port it got. Throws `misconfigured` when the port is taken or the settings contradict. */
export async function startGateway(
  app: AppContext,
  { port, log, settingsAt }: { port: number | undefined; log: Log; settingsAt?: (port: number) => Partial<Config> },
): Promise<Gateway> {
  const limitedLog = createLimitedLog(log)
  const receiver = createReceiver(app, log, limitedLog)
  const way = { reception: receiver, telling: limitedLog, log }
  const http = port === undefined ? undefined : await listen(app, { ...way, port, verify: trustIn(app.config) })
  const intake = startIntake(app, receiver, log)
  const bound = http && (http.server.address() as AddressInfo).port
  const config = bound === undefined ? app.config : { ...app.config, ...settingsAt?.(bound) }
  return {
    port: bound,
    config,
    label: bound === undefined ? undefined : labelOf(config, bound),
    async stop(drainMs) {
      await Promise.all([http && close(http, drainMs), intake.stop(drainMs)])
      limitedLog.stop()
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

/** Says where a gateway listens, and which pushes it accepts there. */
export function labelOf(
  { GATEWAY_HOST: host, GMAIL_PUSH_AUDIENCE, OUTLOOK_NOTIFICATION_URL }: Config,
  port: number,
): string {
  const paths = [...(GMAIL_PUSH_AUDIENCE ? ['/gmail/push'] : []), ...(OUTLOOK_NOTIFICATION_URL ? ['/outlook'] : [])]
  const pushes =
    paths.length > 0
      ? `pushes go to ${paths.join(' and ')}`
      : 'pushes are refused until GMAIL_PUSH_AUDIENCE and GMAIL_PUSH_SERVICE_ACCOUNT are set'
  return `http://${host}:${port} (${pushes})`
}

async function close(http: FastifyInstance, drainMs: number): Promise<void> {
  await within(http.close(), drainMs)
  http.server.closeAllConnections()
}
