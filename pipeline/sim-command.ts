import type { Profile } from '../sim/profile.ts'
import type { CommandContext } from './commands.ts'
import { forgetRunning } from './data-dir.ts'
import { startSimulator } from './simulator.ts'

/** Runs the simulator alone until it is told to stop. */
export async function runSimulator(
  { config, signal, print }: CommandContext,
  options: { mbox: readonly string[]; gmail: number; host: string; profile: Profile },
): Promise<void> {
  const sim = await startSimulator(config, {
    mbox: options.mbox,
    profile: options.profile,
    port: options.gmail,
    host: options.host,
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
