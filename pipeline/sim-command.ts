import { PROVIDERS } from '../shared/mailbox.ts'
import type { FaultSettings } from '../sim/gmail/faults.ts'
import type { QuotaTable } from '../sim/gmail/methods.ts'
import type { GraphFaultSettings } from '../sim/graph/faults.ts'
import type { Profile } from '../sim/profile.ts'
import type { CommandContext } from './commands.ts'
import { forgetRunning } from './data-dir.ts'
import { startSimulator } from './simulator.ts'

/** What `mailsluice sim` can be told. */
interface SimulatorFlags {
  mbox: readonly string[]
  gmail: number
  graph?: number
  host: string
  allowHost: readonly string[]
  profile: Profile
  speed: number
  quota?: QuotaTable
  faults?: FaultSettings
  graphFaults?: GraphFaultSettings
  throttling?: boolean
  pushTo?: string
}

/** Runs the simulators alone until they are told to stop. */
export async function runSimulator(
  { config, signal, print }: CommandContext,
  {
    gmail: port,
    graph: graphPort,
    quota: table,
    faults,
    graphFaults,
    throttling,
    pushTo: url,
    allowHost: allowedHosts,
    ...options
  }: SimulatorFlags,
): Promise<void> {
  const sims = await startSimulator(config, {
    ...options,
    sides: PROVIDERS,
    port,
    graphPort,
    allowedHosts,
    gmailOptions: {
      ...(table === undefined ? {} : { quota: { table } }),
      ...(faults === undefined ? {} : { faults }),
      ...(url === undefined ? {} : { pushTo: { url } }),
    },
    graphOptions: {
      ...(throttling ? { throttling: {} } : {}),
      ...(graphFaults === undefined ? {} : { faults: graphFaults }),
    },
  })
  const { gmail, graph } = sims
  print(`Simulated Gmail at ${gmail.url} and Microsoft Graph at ${graph.url}/v1.0, profile ${options.profile}:`)
  for (const { address, messages } of gmail.mailboxes()) print(`  gmail:${address}  ${messages} messages`)
  for (const { address, messages } of graph.mailboxes()) print(`  outlook:${address}  ${messages} messages`)
  print(
    `Its control port wants "Authorization: Bearer ${sims.controlToken}"; SIM_TOKEN=${sims.controlToken} for \`up\`.`,
  )
  print(`Use it with SIM_URL=${sims.url}. Ctrl-C stops.`)
  await new Promise<void>(resolve => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
  await forgetRunning(config.DATA_DIR, 'sim')
  await sims.close()
}
