import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import type { Config } from '../../shared/config.ts'
import { MailError } from '../../shared/error.ts'
import type { Machine } from '../../shared/machine.ts'
import type { AppContext } from '../base/app.ts'
import type { Log } from '../base/log.ts'
import { within } from '../base/wait.ts'
import { startIntake } from './intake.ts'
import { createLimitedLog } from './limited-log.ts'
import { createPace, type Pace } from './pace.ts'
import { createReceiver } from './receiver.ts'
import { listen } from './server.ts'
import { createVerify, type Verify } from './verify.ts'

/** The entry of notifications: over HTTP when a port is given, and from the intake stream. */
export interface Gateway {
  /** For people: the address, and whether pushes are accepted; `undefined` when it does not listen. */
  label: string | undefined
  port: number | undefined
  /** The settings, with those that depend on the port. */
  config: Config
  /** Accepts nothing new, finishes in-flight requests within `drainMs`, and leaves the rest to other gateways. */
  stop(drainMs: number): Promise<void>
}

const GOOGLE_CERTS = 'https://www.googleapis.com/oauth2/v3/certs'

/** Starts to listen on a port, or to the intake only; `settingsAt` is called once with the bound port; `pace` delays the answers of refusals. Throws `misconfigured` when the port is in use or settings contradict each other. */
export async function startGateway(
  app: AppContext,
  {
    port,
    log,
    settingsAt,
    pace = createPace(),
  }: { port: number | undefined; log: Log; settingsAt?: (port: number) => Partial<Config>; pace?: Pace },
): Promise<Gateway> {
  const { machine } = app.surroundings
  const limitedLog = createLimitedLog(log, undefined, machine)
  const receiver = createReceiver(app, log, limitedLog)
  const deps = { receiver, limitedLog, log, pace }
  const http = port === undefined ? undefined : await listen(app, { ...deps, port, verify: pushVerifier(app) })
  const intake = startIntake(app, receiver, log)
  const bound = http && (http.server.address() as AddressInfo).port
  const config = bound === undefined ? app.config : { ...app.config, ...settingsAt?.(bound) }
  return {
    port: bound,
    config,
    label: bound === undefined ? undefined : labelOf(config, bound),
    async stop(drainMs) {
      await Promise.all([http && close(http, drainMs, machine), intake.stop(drainMs)])
      limitedLog.stop()
    },
  }
}

/** Creates the verifier of pushes; `undefined` when no setting names a sender. Throws `misconfigured` when the settings are incomplete. */
function pushVerifier({ config, surroundings }: AppContext): Verify | undefined {
  const { GMAIL_PUSH_AUDIENCE: audience, GMAIL_PUSH_SERVICE_ACCOUNT: serviceAccount } = config
  if (!audience && !serviceAccount) return undefined
  if (!audience || !serviceAccount) {
    const [is, not] = audience ? ['AUDIENCE', 'SERVICE_ACCOUNT'] : ['SERVICE_ACCOUNT', 'AUDIENCE']
    throw new MailError('misconfigured', `GMAIL_PUSH_${is} is set but GMAIL_PUSH_${not} is not: set both, or neither`)
  }
  const certsUrl = config.GMAIL_PUSH_CERTS_URL ?? GOOGLE_CERTS
  // Keys fetched over plain http could be forged.
  if (config.NODE_ENV === 'production' && !config.SIM_URL && !certsUrl.startsWith('https:'))
    throw new MailError('misconfigured', 'GMAIL_PUSH_CERTS_URL must begin with https:// where NODE_ENV is production')
  return createVerify({ audience, serviceAccount, certsUrl, http: surroundings.http, machine: surroundings.machine })
}

/** Describes the address of a gateway, and the pushes it accepts there. */
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

async function close(http: FastifyInstance, drainMs: number, machine: Machine): Promise<void> {
  await within(http.close(), drainMs, machine)
  http.server.closeAllConnections()
}
