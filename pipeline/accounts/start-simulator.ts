import { randomBytes } from 'node:crypto'
import type { Config } from '../../shared/config.ts'
import { MailError } from '../../shared/error.ts'
import type { Provider } from '../../shared/mailbox.ts'
import { type Simulators, type SimulatorsOptions, startSimulators } from '../../sim/both.ts'
import { demoMailbox } from '../../sim/demo.ts'
import type { SimMailbox } from '../../sim/mailbox.ts'
import { loadMail } from '../../sim/mbox.ts'
import { noteRunning } from '../embedded-redis/data-dir.ts'

const TOKEN_BYTES = 24

/** Options of the simulators. Each file or folder of `mbox` has `gmail:` or `outlook:` before it, or is loaded into all `sides`. */
type SimulatorOptions = Omit<SimulatorsOptions, 'gmail' | 'graph' | 'controlToken'> & {
  mbox: readonly string[]
  sides: readonly Provider[]
}

/**
 * Starts simulators of Gmail and Graph with these mbox files or folders, or each with the demo mailbox, and notes their address for other
 * commands. Their control port asks for SIM_TOKEN, or else for a new token.
 */
export async function startSimulator(
  config: Config,
  { mbox, sides, ...options }: SimulatorOptions,
): Promise<Simulators & { controlToken: string }> {
  const sources = mbox.map(text => sourceIn(text, sides))
  const load = (provider: Provider) =>
    mbox.length > 0
      ? Promise.all(sources.filter(source => source.sides.includes(provider)).map(({ path }) => loadFrom(path, config)))
      : [demoMailbox()]
  const controlToken = config.SIM_TOKEN ?? randomBytes(TOKEN_BYTES).toString('base64url')
  const both = { ...options, controlToken, gmail: await load('gmail'), graph: await load('outlook') }
  const sims = await startSimulators(both).catch((error: NodeJS.ErrnoException & { port?: number }) => {
    const { port = options.port ?? 0 } = error
    const reason = error.code === 'EADDRINUSE' ? 'it is in use' : error.message
    const option = port === options.graphPort ? '--graph' : '--gmail'
    throw new MailError('misconfigured', `cannot listen on port ${port}: ${reason}; choose another with ${option}`)
  })
  await noteRunning(config.DATA_DIR, 'sim', { url: sims.url, token: controlToken })
  return { ...sims, controlToken }
}

function sourceIn(text: string, sides: readonly Provider[]): { sides: readonly Provider[]; path: string } {
  const [, side, path = text] = /^(gmail|outlook):(.+)$/.exec(text) ?? []
  return { sides: side === undefined ? sides : [side as Provider], path }
}

async function loadFrom(path: string, { TAKEOUT_LABELS: labels }: Config): Promise<SimMailbox> {
  try {
    return await loadMail(path, { labels })
  } catch (error) {
    throw new MailError('misconfigured', error instanceof Error ? error.message : String(error), { cause: error })
  }
}
