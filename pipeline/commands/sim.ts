import { type Command, Option } from 'commander'
import { PROVIDERS } from '../../shared/mailbox.ts'
import { type FaultSettings, parseFaults } from '../../sim/gmail/faults.ts'
import type { QuotaTable } from '../../sim/gmail/methods.ts'
import { type GraphFaultSettings, parseGraphFaults } from '../../sim/graph/faults.ts'
import type { Profile } from '../../sim/profile.ts'
import { startSimulator } from '../accounts/start-simulator.ts'
import type { CommandContext, ContextOf } from '../base/command-context.ts'
import { untilAborted } from '../base/wait.ts'
import { forgetRunning } from '../embedded-redis/data-dir.ts'
import { checked, gather, webAddress, wholeNumber, word } from './arguments.ts'

/** Adds the options and the action of `sim`. */
export function define(command: Command, contextOf: ContextOf): void {
  command
    .option(
      '--mbox <file>',
      'an mbox file or a folder of .eml files, for one side alone with gmail: or outlook: before it (may be repeated)',
      gather,
      [],
    )
    .option('--gmail <port>', 'the port to listen on', checked(wholeNumber(0, 65_535)), 8025)
    .option('--graph <port>', 'a port of its own for Microsoft Graph', checked(wholeNumber(0, 65_535)))
    .option('--host <address>', 'the address to listen on', checked(word), '127.0.0.1')
    .option('--allow-host <name>', 'another name that it is asked by (may be repeated)', gather, [])
    .addOption(
      new Option('--profile <name>', 'how slow it answers').choices(['live', 'seed', 'instant']).default('live'),
    )
    .addOption(
      new Option('--quota <table>', 'refuse what is over the limits of these costs').choices(['2026', 'legacy']),
    )
    .option(
      '--faults <list>',
      'what goes wrong and how often, such as throttled=0.1,truncated=0.05',
      checked(parseFaults),
    )
    .option('--graph-faults <list>', 'the same for Microsoft Graph, such as gone-410=0.05', checked(parseGraphFaults))
    .option('--throttling', 'refuse what is over the limits of Microsoft Graph')
    .option('--push-to <url>', 'where notifications of watches are pushed', checked(webAddress))
    .option(
      '--speed <n>',
      'how many times faster minutes pass and calls are answered',
      checked(wholeNumber(1, 10_000)),
      1,
    )
    .action(options => runSimulator(contextOf({ stays: true }), options))
}

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
  await untilAborted(signal)
  await forgetRunning(config.DATA_DIR, 'sim')
  await sims.close()
}
