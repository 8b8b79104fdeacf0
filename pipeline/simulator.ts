import type { Config } from '../shared/config.ts'
import { MailError } from '../shared/error.ts'
import { demoMailbox } from '../sim/demo.ts'
import { type GmailOptions, type GmailSimulator, startGmail } from '../sim/gmail.ts'
import type { SimMailbox } from '../sim/mailbox.ts'
import { loadMail } from '../sim/mbox.ts'
import { providersSet } from './account-settings.ts'
import { findRunning, noteRunning } from './data-dir.ts'

/** The simulator that SIM_URL names, or that a running `up` has started, where no mail account is set. */
export async function findSimulator(config: Config): Promise<string | undefined> {
  if (config.SIM_URL) return config.SIM_URL.replace(/\/$/, '')
  if (providersSet(config).length > 0) return undefined
  const note = (await findRunning(config.DATA_DIR, 'sim')) as { url?: string } | undefined
  return note?.url
}

/** Mailboxes by files or folders instead of as such, and all else that a simulator can be started with. */
type SimulatorOptions = Omit<GmailOptions, 'mailboxes'> & { mbox: readonly string[] }

/** Starts a Gmail simulator with these mbox files or folders, or with the demo mailbox, and notes where it is for other commands. */
export async function startSimulator(config: Config, { mbox, ...options }: SimulatorOptions): Promise<GmailSimulator> {
  const mailboxes = mbox.length > 0 ? await Promise.all(mbox.map(load)) : [demoMailbox()]
  const sim = await startGmail({
    ...options,
    mailboxes,
  }).catch((error: NodeJS.ErrnoException) => {
    const reason = error.code === 'EADDRINUSE' ? 'it is in use' : error.message
    throw new MailError(
      'misconfigured',
      `cannot listen on port ${options.port ?? 0}: ${reason}; choose another with --gmail`,
    )
  })
  await noteRunning(config.DATA_DIR, 'sim', { url: sim.url })
  return sim
}

async function load(path: string): Promise<SimMailbox> {
  try {
    return await loadMail(path)
  } catch (error) {
    throw new MailError('misconfigured', error instanceof Error ? error.message : String(error), { cause: error })
  }
}
