import { randomBytes } from 'node:crypto'
import type { Config } from '../../shared/config.ts'
import { MailError } from '../../shared/error.ts'
import { exchange } from '../../shared/http/exchange.ts'
import { type MailboxId, type Provider, parseMailboxId } from '../../shared/mailbox.ts'
import { listMailboxes } from '../../shared/redis/mailboxes.ts'
import { createVault } from '../../shared/redis/secrets.ts'
import { createSeal } from '../../shared/seal.ts'
import type { Simulators } from '../../sim/both.ts'
import type { GmailSimulator } from '../../sim/gmail/simulator.ts'
import { forgetRunning } from '../embedded-redis/data-dir.ts'
import type { Store } from './account-of.ts'
import { hasGmailAccount, providersSet } from './account-settings.ts'
import { type Mailboxes, openMailboxes } from './providers.ts'
import { findControlToken } from './simulator.ts'

/** Where mail comes from: accounts at providers, or a simulator that is running or is started for it. */
export interface MailSource {
  /** For people: what it is. */
  label: string
  /** With the accounts that are kept in the store. */
  mailboxes(store: Store): Mailboxes
  /** How its changes are pushed, where that needs nobody to set anything up. */
  push?: SimulatedPush
  /** The mailboxes it offers. */
  list(signal: AbortSignal, store: Store): Promise<MailboxId[]>
  close(): Promise<void>
}

const HOW_TO_SET =
  'set GMAIL_CLIENT_ID, GMAIL_CLIENT_SECRET and MAILBOXES_KEY and run `mailsluice connect gmail`, or set GMAIL_REFRESH_TOKEN instead of the key; for Outlook, set OUTLOOK_CLIENT_ID and MAILBOXES_KEY and run `mailsluice connect outlook`'
const LABELS: Readonly<Record<Provider, string>> = { gmail: 'Gmail', outlook: 'Outlook' }
const HALF_SET = `an OAuth client is set, and no account: ${HOW_TO_SET}`

/** A simulator that pushes to this machine: what the gateway must know of it, and where it is to push. */
export interface SimulatedPush {
  settings: Pick<
    Config,
    | 'GMAIL_PUBSUB_TOPIC'
    | 'GMAIL_PUSH_AUDIENCE'
    | 'GMAIL_PUSH_SERVICE_ACCOUNT'
    | 'GMAIL_PUSH_CERTS_URL'
    | 'OUTLOOK_CLIENT_STATE'
  >
  /** Tells it where the gateway listens; the settings by which it is asked to push there. */
  to(port: number): Pick<Config, 'OUTLOOK_NOTIFICATION_URL'>
}

const SECRET_BYTES = 24
const LARGEST_LIST_BYTES = 8 << 20
const nothing = async () => undefined

/** The source the settings ask for; throws `misconfigured` when they name none and a demo would be out of place. */
export async function openMailSource(config: Config, mbox: readonly string[]): Promise<MailSource> {
  if (config.SIM_URL) {
    const url = config.SIM_URL.replace(/\/$/, '')
    return {
      label: `simulated Gmail and Outlook at ${url}`,
      mailboxes: store => openMailboxes(config, url, store),
      list: async signal => listSimulated(url, await findControlToken(config, url), signal),
      close: nothing,
    }
  }
  const providers = providersSet(config)
  if (providers.length > 0 && mbox.length === 0) return openAccounts(config, providers)
  if ((config.GMAIL_CLIENT_ID || config.OUTLOOK_CLIENT_ID) && mbox.length === 0)
    throw new MailError('misconfigured', HALF_SET)
  if (config.NODE_ENV === 'production') {
    throw new MailError(
      'misconfigured',
      `NODE_ENV is production and no mail account is set: ${HOW_TO_SET}, or unset NODE_ENV to run on simulated mail`,
    )
  }
  return openSimulator(config, mbox)
}

/** Mailboxes alone, for processes that run single stages: no mailbox is listed and no simulator started. Throws `misconfigured` when no account is set. */
export function reachMailboxes(config: Config, simUrl: string | undefined): (store: Store) => Mailboxes {
  if (!simUrl && providersSet(config).length === 0) {
    throw new MailError(
      'misconfigured',
      `no mail account is set: ${HOW_TO_SET}, or SIM_URL to the address of \`mailsluice sim\``,
    )
  }
  return store => openMailboxes(config, simUrl, store)
}

async function openSimulator(config: Config, mbox: readonly string[]): Promise<MailSource> {
  // The simulators are loaded where they are started, and nowhere else.
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
        // It is known only when the gateway listens, and the mailboxes are open by then.
        Object.assign(pushed, whereTo)
        return whereTo
      },
    },
    list: signal => listSimulated(sim.url, sim.controlToken, signal),
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

// It is this process's own: whom it says it is can be believed.
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

function openAccounts(config: Config, providers: readonly Provider[]): MailSource {
  const mailboxes = (store: Store) => openMailboxes(config, undefined, store)
  return {
    label: providers.map(provider => LABELS[provider]).join(' and '),
    mailboxes,
    async list(signal, store) {
      const known = (await listMailboxes(store.redis, store.keys)).map(({ mailbox }) => mailbox)
      const kept = await createVault(store.redis, store.keys, createSeal([])).has(known)
      const configured = hasGmailAccount(config) ? [await configuredMailbox(mailboxes(store), signal)] : []
      return [...new Set([...configured, ...config.OUTLOOK_MAILBOXES, ...kept])]
    },
    close: nothing,
  }
}

// Google tells whose account it is.
async function configuredMailbox(mailboxes: Mailboxes, signal: AbortSignal): Promise<MailboxId> {
  const { address } = await mailboxes('gmail:me@gmail.com').open({ signal, meter: () => undefined })
  return parseMailboxId(`gmail:${address}`)
}

async function listSimulated(url: string, token: string | undefined, signal: AbortSignal): Promise<MailboxId[]> {
  const [gmail, outlook] = await Promise.all([
    addressesAt(`${url}/control/mailboxes`, token, signal),
    addressesAt(`${url}/control/graph/mailboxes`, token, signal),
  ])
  if (!gmail && !outlook) {
    throw new MailError(
      'misconfigured',
      `no simulator answers at ${url}: start it with \`mailsluice sim\`, or correct SIM_URL`,
    )
  }
  return [
    ...(gmail ?? []).map(address => parseMailboxId(`gmail:${address}`)),
    ...(outlook ?? []).map(address => parseMailboxId(`outlook:${address}`)),
  ]
}

// Each simulator can have a port of its own, where the other is not.
async function addressesAt(url: string, token: string | undefined, signal: AbortSignal): Promise<string[] | undefined> {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
  const answer = await exchange(url, { signal, headers, mostBytes: LARGEST_LIST_BYTES }).catch(() => undefined)
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
