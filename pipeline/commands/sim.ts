import { type Command, Option } from 'commander'
import { PROVIDERS } from '../../shared/provider/traits.ts'
import { type FaultSettings, parseFaults } from '../../sim/gmail/faults.ts'
import type { QuotaTable } from '../../sim/gmail/methods.ts'
import { type GraphFaultSettings, parseGraphFaults } from '../../sim/graph/faults.ts'
import type { Profile } from '../../sim/profile.ts'
import { startSimulator } from '../accounts/start-simulator.ts'
import type { CommandContext, ContextOf } from '../base/command-context.ts'
import { untilAborted } from '../base/wait.ts'
import { forgetRunning } from '../embedded-redis/data-dir.ts'
import { checked, collect, webAddress, wholeNumber, word } from './arguments.ts'

/** Adds the options and the action of `sim`. */
export function define(command: Command, contextOf: ContextOf): void {
  command
    .option(
      '--mbox <file>',
      'an mbox file or a folder of .eml files; prefix it with gmail: or outlook: for one provider only (may be repeated)',
      collect,
      [],
    )
    .option('--gmail <port>', 'the port to listen on', checked(wholeNumber(0, 65_535)), 8025)
    .option('--graph <port>', 'a separate port for Microsoft Graph', checked(wholeNumber(0, 65_535)))
    .option('--host <address>', 'the address to listen on', checked(word), '127.0.0.1')
    .option('--allow-host <name>', 'accept this host name in requests too (may be repeated)', collect, [])
    .addOption(
      new Option('--profile <name>', 'the latency profile of answers')
        .choices(['live', 'seed', 'instant'])
        .default('live'),
    )
    .addOption(
      new Option('--quota <table>', 'enforce quotas with the unit costs of this table').choices(['2026', 'legacy']),
    )
    .option(
      '--faults <list>',
      'Gmail faults and their rates, such as throttled=0.1,truncated=0.05',
      checked(parseFaults),
    )
    .option(
      '--graph-faults <list>',
      'Microsoft Graph faults and their rates, such as gone-410=0.05',
      checked(parseGraphFaults),
    )
    .option('--throttling', 'enforce the throttling limits of Microsoft Graph')
    .option('--push-to <url>', 'push notifications of watches to this URL', checked(webAddress))
    .option(
      '--speed <n>',
      'make minutes pass and calls answer this many times faster',
      checked(wholeNumber(1, 10_000)),
      1,
    )
    .action(options => runSimulator(contextOf({ stays: true }), options))
}

/** The options of `mailsluice sim`. */
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

/** Runs only the simulators until they are stopped. */
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
    `The control port requires "Authorization: Bearer ${sims.controlToken}"; set SIM_TOKEN=${sims.controlToken} for \`up\`.`,
  )
  print(`Use it with SIM_URL=${sims.url}. Ctrl-C stops.`)
  await untilAborted(signal)
  await forgetRunning(config.DATA_DIR, 'sim')
  await sims.close()
}
