import type { Config } from '../shared/config.ts'
import { MailError } from '../shared/error.ts'
import { type MailboxId, parseMailboxId } from '../shared/mailbox.ts'
import { forgetRunning } from './data-dir.ts'
import { hasAccount, type Mailboxes, openMailboxes } from './providers.ts'
import { startSimulator } from './simulator.ts'

/** Where mail comes from: a Google account, or a simulator that is running or is started for it. */
export interface MailSource {
  /** For people: what it is. */
  label: string
  mailboxes: Mailboxes
  /** The mailboxes it offers. */
  list(signal: AbortSignal): Promise<MailboxId[]>
  close(): Promise<void>
}

const nothing = async () => undefined

/** The source the settings ask for; throws `misconfigured` when they name none and a demo would be out of place. */
export async function openMailSource(config: Config, mbox: readonly string[]): Promise<MailSource> {
  if (config.SIM_URL) {
    const url = config.SIM_URL.replace(/\/$/, '')
    return {
      label: `simulated Gmail at ${url}`,
      mailboxes: openMailboxes(config, url),
      list: signal => listSimulated(url, signal),
      close: nothing,
    }
  }
  if (hasAccount(config) && mbox.length === 0) return openAccount(config)
  if (config.NODE_ENV === 'production') {
    throw new MailError(
      'misconfigured',
      'NODE_ENV is production and no mail account is set: set GMAIL_CLIENT_ID, GMAIL_CLIENT_SECRET and GMAIL_REFRESH_TOKEN, or unset NODE_ENV to run on simulated mail',
    )
  }
  return openSimulator(config, mbox)
}

/** Mailboxes alone, for processes that run single stages: no mailbox is listed and no simulator started. */
export function reachMailboxes(config: Config, simUrl: string | undefined): Mailboxes {
  if (!simUrl && !hasAccount(config)) {
    throw new MailError(
      'misconfigured',
      'no mail account is set: set GMAIL_CLIENT_ID, GMAIL_CLIENT_SECRET and GMAIL_REFRESH_TOKEN, or SIM_URL to the address of `mailsluice sim`',
    )
  }
  return openMailboxes(config, simUrl)
}

async function openSimulator(config: Config, mbox: readonly string[]): Promise<MailSource> {
  const sim = await startSimulator(config, { mbox, profile: 'live' })
  const what = mbox.length > 0 ? mbox.join(', ') : 'a demo mailbox, as no account is set'
  return {
    label: `simulated Gmail at ${sim.url} (${what})`,
    mailboxes: openMailboxes(config, sim.url),
    list: signal => listSimulated(sim.url, signal),
    async close() {
      await forgetRunning(config.DATA_DIR, 'sim')
      await sim.close()
    },
  }
}

// Google tells whose account it is.
function openAccount(config: Config): MailSource {
  const mailboxes = openMailboxes(config, undefined)
  return {
    label: 'Gmail, with the configured account',
    mailboxes,
    async list(signal) {
      const { address } = await mailboxes('gmail:me@gmail.com').open({ signal, meter: () => undefined })
      return [parseMailboxId(`gmail:${address}`)]
    },
    close: nothing,
  }
}

async function listSimulated(url: string, signal: AbortSignal): Promise<MailboxId[]> {
  const answer = await fetch(`${url}/control/mailboxes`, { signal }).catch(() => undefined)
  if (!answer?.ok)
    throw new MailError(
      'misconfigured',
      `no simulator answers at ${url}: start it with \`mailsluice sim\`, or correct SIM_URL`,
    )
  const mailboxes = (await answer.json()) as { address: string }[]
  return mailboxes.map(({ address }) => parseMailboxId(`gmail:${address}`))
}
