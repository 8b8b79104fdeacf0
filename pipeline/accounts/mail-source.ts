import { randomBytes } from 'node:crypto'
import type { Config } from '../../shared/config.ts'
import { MailError } from '../../shared/error.ts'
import type { Http } from '../../shared/http/exchange.ts'
import { type MailboxId, parseMailboxId } from '../../shared/mailbox.ts'
import { listMailboxes } from '../../shared/redis/mailboxes.ts'
import { createVault } from '../../shared/redis/secrets.ts'
import { createSeal } from '../../shared/seal.ts'
import type { Simulators } from '../../sim/both.ts'
import type { GmailSimulator } from '../../sim/gmail/simulator.ts'
import { type Surroundings, surroundingsOf } from '../base/surroundings.ts'
import { forgetRunning } from '../embedded-redis/data-dir.ts'
import { LOADED } from './loaded-providers.ts'
import { type Mailboxes, openMailboxes } from './mailboxes.ts'
import type { ProviderDescriptor } from './providers/descriptor.ts'
import { configuredProviders, PROVIDERS } from './providers.ts'
import { findControlToken } from './simulator.ts'
import type { Store } from './store.ts'

/** A source of mail: accounts at providers, or a simulator that already runs or is started. */
export interface MailSource {
  /** Its name for people. */
  label: string
  /** Opens its mailboxes, with the accounts in the store. */
  mailboxes(store: Store): Mailboxes
  /** How its changes are pushed; present where that needs no setup. */
  push?: SimulatedPush
  /** Lists its mailboxes. */
  list(signal: AbortSignal, store: Store): Promise<MailboxId[]>
  close(): Promise<void>
}

const HOW_TO_SET = [...PROVIDERS.values()]
  .map(({ label, setup }, place) => (place === 0 ? setup : `for ${label}, ${setup}`))
  .join('; ')
const HALF_SET = `an OAuth client is set, and no account: ${HOW_TO_SET}`

/** A simulator that pushes to this machine: the gateway's settings for it, and the address it pushes to. */
export interface SimulatedPush {
  settings: Pick<
    Config,
    | 'GMAIL_PUBSUB_TOPIC'
    | 'GMAIL_PUSH_AUDIENCE'
    | 'GMAIL_PUSH_SERVICE_ACCOUNT'
    | 'GMAIL_PUSH_CERTS_URL'
    | 'OUTLOOK_CLIENT_STATE'
  >
  /** Sends its pushes to the gateway on this port; returns the settings that a watch needs for that. */
  to(port: number): Pick<Config, 'OUTLOOK_NOTIFICATION_URL'>
}

const SECRET_BYTES = 24
const LARGEST_LIST_BYTES = 8 << 20
const nothing = async () => undefined

/** Opens the source that the settings name, or else a simulator; throws `misconfigured` where they name none in production. */
export async function openMailSource(
  config: Config,
  mbox: readonly string[],
  { http }: Pick<Surroundings, 'http'> = surroundingsOf(config),
): Promise<MailSource> {
  if (config.SIM_URL) {
    const url = config.SIM_URL.replace(/\/$/, '')
    return {
      label: `simulated Gmail and Outlook at ${url}`,
      mailboxes: store => openMailboxes(config, url, store),
      list: async signal => listSimulated(url, { token: await findControlToken(config, url), signal, http }),
      close: nothing,
    }
  }
  const providers = configuredProviders(config)
  if (providers.length > 0 && mbox.length === 0) return openAccounts(config, providers)
  if ([...PROVIDERS.values()].some(provider => provider.hasClient(config)) && mbox.length === 0)
    throw new MailError('misconfigured', HALF_SET)
  if (config.NODE_ENV === 'production') {
    throw new MailError(
      'misconfigured',
      `NODE_ENV is production and no mail account is set: ${HOW_TO_SET}, or unset NODE_ENV to run on simulated mail`,
    )
  }
  return openSimulator(config, mbox, http)
}

/** Returns how mailboxes are opened, for processes that list none and start no simulator. Throws `misconfigured` when no account is set. */
export function reachMailboxes(config: Config, simUrl: string | undefined): (store: Store) => Mailboxes {
  if (!simUrl && configuredProviders(config).length === 0) {
    throw new MailError(
      'misconfigured',
      `no mail account is set: ${HOW_TO_SET}, or SIM_URL to the address of \`mailsluice sim\``,
    )
  }
  return store => openMailboxes(config, simUrl, store)
}

async function openSimulator(config: Config, mbox: readonly string[], http: Http): Promise<MailSource> {
  // Simulators take long to load, and only this function starts them.
  const { startSimulator } = await import('./start-simulator.ts')
  const sim = await startSimulator(config, { mbox, sides: ['gmail'], profile: 'live' })
  const push = pushOf(sim.gmail)
  const pushed: Config = { ...config, ...push.settings }
  const what = mbox.length > 0 ? mbox.join(', ') : 'a demo mailbox at each, as no account is set'
  return {
    label: `simulated ${sidesOf(sim)} at ${sim.url} (${what})`,
    mailboxes: store => openMailboxes(pushed, sim.url, store),
    push: {
      settings: push.settings,
      to(port) {
        const whereTo = push.to(port)
        // The port is known only when the gateway listens; the mailboxes are open by then.
        Object.assign(pushed, whereTo)
        return whereTo
      },
    },
    list: signal => listSimulated(sim.url, { token: sim.controlToken, signal, http }),
    async close() {
      await forgetRunning(config.DATA_DIR, 'sim')
      await sim.close()
    },
  }
}

function sidesOf({ gmail, graph }: Simulators): string {
  const sides = { Gmail: gmail.mailboxes(), Outlook: graph.mailboxes() }
  return Object.entries(sides)
    .flatMap(([side, mailboxes]) => (mailboxes.length > 0 ? [side] : []))
    .join(' and ')
}

// The simulator is this process's own, so the gateway may trust its signature.
function pushOf(sim: GmailSimulator): SimulatedPush {
  const [audience, serviceAccount] = ['mailsluice', 'gmail-push@simulated.iam.gserviceaccount.com']
  return {
    settings: {
      GMAIL_PUBSUB_TOPIC: 'projects/simulated/topics/gmail',
      GMAIL_PUSH_AUDIENCE: audience,
      GMAIL_PUSH_SERVICE_ACCOUNT: serviceAccount,
      GMAIL_PUSH_CERTS_URL: `${sim.url}/oauth2/v3/certs`,
      OUTLOOK_CLIENT_STATE: randomBytes(SECRET_BYTES).toString('base64url'),
    },
    to(port) {
      const url = `http://127.0.0.1:${port}`
      sim.pushes.set({ to: { url: `${url}/gmail/push`, audience, serviceAccount } })
      return { OUTLOOK_NOTIFICATION_URL: url }
    },
  }
}

function openAccounts(config: Config, providers: readonly ProviderDescriptor[]): MailSource {
  const mailboxes = (store: Store) => openMailboxes(config, undefined, store)
  return {
    label: providers.map(({ label }) => label).join(' and '),
    mailboxes,
    async list(signal, store) {
      const known = (await listMailboxes(store.redis, store.keys)).map(({ mailbox }) => mailbox)
      const kept = await createVault(store.redis, store.keys, createSeal([])).has(known)
      const configured = await Promise.all(
        [...LOADED.values()].map(({ loaded }) => loaded.listConfigured(config, mailboxes(store), signal)),
      )
      return [...new Set([...configured.flat(), ...kept])]
    },
    close: nothing,
  }
}

/** How a simulator is asked: with its control token, where it wants one. */
interface Asking {
  token: string | undefined
  signal: AbortSignal
  http: Http
}

async function listSimulated(url: string, asking: Asking): Promise<MailboxId[]> {
  const lists = await Promise.all(
    [...PROVIDERS.values()].map(async ({ id, simulatedList }) => {
      const addresses = await addressesAt(`${url}${simulatedList}`, asking)
      return addresses?.map(address => parseMailboxId(`${id}:${address}`))
    }),
  )
  if (lists.every(list => list === undefined)) {
    throw new MailError(
      'misconfigured',
      `no simulator answers at ${url}: start it with \`mailsluice sim\`, or correct SIM_URL`,
    )
  }
  return lists.flatMap(list => list ?? [])
}

// Each simulator can have a port of its own, which then answers for no other provider.
async function addressesAt(url: string, { token, signal, http }: Asking): Promise<string[] | undefined> {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
  const answer = await http.exchange(url, { signal, headers, mostBytes: LARGEST_LIST_BYTES }).catch(() => undefined)
  const { origin, hostname } = new URL(url)
  if (answer?.status === 401) {
    const how = 'set SIM_TOKEN to what `mailsluice sim` printed, or to the SIM_TOKEN it was started with'
    throw new MailError('misconfigured', `the simulator at ${origin} wants its control token: ${how}`)
  }
  if (answer?.status === 421) {
    const how = `start it with --allow-host ${hostname}`
    throw new MailError('misconfigured', `the simulator at ${origin} does not answer to that name: ${how}`)
  }
  return answer?.ok ? ((await answer.json()) as { address: string }[]).map(({ address }) => address) : undefined
}
