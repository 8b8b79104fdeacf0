import type { FaultSettings } from '../sim/gmail/faults.ts'
import type { QuotaTable } from '../sim/gmail/methods.ts'
import type { Profile } from '../sim/profile.ts'
import type { CommandContext } from './commands.ts'
import { forgetRunning } from './data-dir.ts'
import { startSimulator } from './simulator.ts'

/** What `mailsluice sim` can be told. */
interface SimulatorFlags {
  mbox: readonly string[]
  gmail: number
  host: string
  profile: Profile
  speed: number
  quota?: QuotaTable
  faults?: FaultSettings
  pushTo?: string
}

/** Runs the simulator alone until it is told to stop. */
export async function runSimulator(
  { config, signal, print }: CommandContext,
  { gmail: port, quota: table, pushTo: url, ...options }: SimulatorFlags,
): Promise<void> {
  const sim = await startSimulator(config, {
    ...options,
    port,
    ...(table === undefined ? {} : { quota: { table } }),
    ...(url === undefined ? {} : { pushTo: { url } }),
  })
  print(`Simulated Gmail at ${sim.url}, profile ${options.profile}:`)
  for (const { address, messages } of sim.mailboxes()) print(`  gmail:${address}  ${messages} messages`)
  print(`Use it with SIM_URL=${sim.url}. Ctrl-C stops.`)
  await new Promise<void>(resolve => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
  await forgetRunning(config.DATA_DIR, 'sim')
  await sim.close()
}
