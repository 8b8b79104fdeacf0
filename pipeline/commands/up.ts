import type { Command } from 'commander'
import type { Config } from '../../shared/config.ts'
import type { MailboxId } from '../../shared/mailbox.ts'
import type { RunRecord } from '../../shared/redis/runs.ts'
import type { StageName } from '../../shared/stage.ts'
import { type MailSource, openMailSource } from '../accounts/mail-source.ts'
import { connectCommands } from '../accounts/providers.ts'
import { unitsSaved } from '../accounts/quotas.ts'
import { requestSync } from '../accounts/request-sync.ts'
import type { AppContext } from '../base/app.ts'
import {
  awaitApp,
  isStopped,
  type RedisWait,
  retryUntilServing,
  waitBriefly,
  waitForever,
} from '../base/await-redis.ts'
import { type ContextOf, FAILED } from '../base/command-context.ts'
import { createLog } from '../base/log.ts'
import { STAGES } from '../base/stages.ts'
import type { Surroundings } from '../base/surroundings.ts'
import type { Terminal } from '../base/terminal.ts'
import { untilAborted } from '../base/wait.ts'
import { openRedisServer, type RedisServer } from '../embedded-redis/source.ts'
import { startGatewayApart } from '../gateway/apart.ts'
import type { Gateway } from '../gateway/gateway.ts'
import { keeperOf } from '../keeper/duties.ts'
import type { Keeper } from '../keeper/keeper.ts'
import { openSending } from '../runtime/sending.ts'
import { startStages } from '../runtime/start-stages.ts'
import { checked, collect, parseStages, wholeNumber } from './arguments.ts'
import { connectAll, type Ready } from './connect-all.ts'
import { stallWarning, untilQuiet } from './follow.ts'
import { type Summary, summarise, summaryTable } from './summary.ts'
import { untilSent } from './until-sent.ts'

/** Adds the options and the action of `up`. */
export function define(command: Command, contextOf: ContextOf): void {
  command
    .option('--only <stages>', 'only these stages, such as list-ids,merge', checked(parseStages))
    .option('--once', 'sync every mailbox once, print the summary, exit', false)
    .option('--json', 'print the summary as one JSON object', false)
    .option(
      '--mbox <file>',
      'simulate a Gmail mailbox from an mbox file or a folder of .eml files; prefix it with outlook: for Outlook (may be repeated)',
      collect,
      [],
    )
    .option('--port <port>', 'receive pushes on this port', checked(wholeNumber(0, 65_535)))
    .action(async options => {
      const context = contextOf({ ...options, stays: !options.once })
      if (!(await up(context.config, { ...options, ...context }))) process.exitCode = FAILED
    })
}

/** The options of `mailsluice up`. */
export interface UpOptions {
  only?: readonly StageName[]
  once: boolean
  json: boolean
  mbox: readonly string[]
  /** The port of the gateway. */
  port?: number
  /** Aborted by the first SIGINT or SIGTERM. */
  signal: AbortSignal
  print: (text: string) => void
  terminal: Terminal
  surroundings: Surroundings
}

/** Runs every stage in this process: syncs all mailboxes, then stays up for changes, or ends after the first sync with `once`. Returns whether it succeeded. */
export async function up(config: Config, options: UpOptions): Promise<boolean> {
  const { surroundings, terminal } = options
  const log = createLog(config, 'mailsluice', terminal)
  const wait = options.once ? waitBriefly({ config, ...options }) : waitForever(options.signal, log)
  const patience = { ...wait, machine: surroundings.machine }
  const source = await openMailSource(config, options.mbox, surroundings)
  let server: RedisServer | undefined
  let app: AppContext | undefined
  try {
    server = await openRedisServer(config, log, patience)
    app = await awaitApp({ ...config, ...source.push?.settings }, server.url, { ...patience, surroundings })
    const lost = lossOf(server)
    const mailboxes = source.mailboxes(app)
    const ready = await Promise.race([lost, connectAll(app, { source, mailboxes, log, patience })])
    const running = chosen(options.only)
    const sending = running.some(({ name }) => name === 'ai-dispatch') ? await openSending(app, log) : undefined
    const stages = startStages(running, app, { mailboxes, log, sending })
    const whole = !options.only && !options.once
    let keeper: Keeper | undefined
    let gateway: Gateway | undefined
    try {
      if (whole) {
        const port = options.port ?? config.PORT
        const settingsAt = (bound: number) => source.push?.to(bound) ?? {}
        const gatewayLog = log.child({ stage: 'gateway' })
        gateway = await startGatewayApart(app, { port, settingsAt, log: gatewayLog, signal: options.signal })
        keeper = keeperOf({ ...app, config: gateway.config }, log, mailboxes)
      }
      const facts = { source, server, gateway, options, patience, sends: sending !== undefined }
      return await Promise.race([lost, syncAndStay(app, ready, facts)])
    } finally {
      await Promise.all([gateway?.stop(config.DRAIN_MS), stages.stop(config.DRAIN_MS), keeper?.stop()])
    }
  } catch (error) {
    // Ctrl-C while waiting for Redis is no failure.
    if (options.once || !isStopped(error, options.signal)) throw error
    return true
  } finally {
    app?.close()
    await server?.stop()
    await source.close()
  }
}

// A process that lost its embedded Redis would stay alive and do nothing.
async function lossOf(server: RedisServer): Promise<never> {
  throw (await server.lost) ?? (await new Promise<never>(() => undefined))
}

async function syncAndStay(
  app: AppContext,
  { mailboxes, lacking, offered }: Ready,
  facts: {
    source: MailSource
    server: RedisServer
    gateway: Gateway | undefined
    options: UpOptions
    patience: RedisWait
    sends: boolean
  },
): Promise<boolean> {
  const { source, server, gateway, options, patience, sends } = facts
  const withRetries = <T>(work: () => Promise<T>) => retryUntilServing(app.url, work, patience)
  const { terminal } = options
  const print = options.json ? () => undefined : options.print
  const since = app.now()
  print(`Redis      ${server.label}\nMail       ${source.label}`)
  if (gateway?.label) print(`Gateway    ${gateway.label}`)
  if (offered === 0) print(`No mailbox is connected yet. Connect one with ${connectCommands()}.`)
  for (const mailbox of mailboxes) {
    const run = app.newRunId()
    await withRetries(() => requestSync(app, mailbox, { run }))
  }
  const whole = options.only === undefined
  const runs = whole
    ? await withRetries(() =>
        untilQuiet(app, {
          since,
          mailboxes,
          signal: options.signal,
          bar: !options.json && terminal.screen.isTTY ? terminal.screen : undefined,
          onStall: stallWarning(terminal),
        }),
      ).catch(tolerateStop(options))
    : []
  if (!runs) return !options.once
  const summary = report(app, runs, { mailboxes: mailboxes.length, since, server, options, lacking })
  if (sends && options.once) reportUnsent(await untilSent(app, options.signal), print)
  if (options.once) return summary.ok
  print(whole ? stayUp(mailboxes) : `Running ${options.only?.join(', ')}. Ctrl-C stops.`)
  await untilAborted(options.signal)
  return true
}

// With `once`, stopping early is a failure; otherwise Ctrl-C is the normal way to stop.
function tolerateStop({ once, signal }: UpOptions): (error: unknown) => undefined {
  return error => {
    if (once || !signal.aborted) throw error
  }
}

function report(
  app: AppContext,
  runs: readonly RunRecord[],
  facts: { mailboxes: number; since: number; server: RedisServer; options: UpOptions; lacking: number },
): Summary {
  const { mailboxes, since, server, options, lacking } = facts
  const seconds = (app.now() - since) / 1000
  const saved = (run: RunRecord) => unitsSaved(run, app.config)
  const summed = summarise(runs, { mailboxes, seconds, redis: server.label, saved })
  const summary = { ...summed, ok: summed.ok && lacking === 0 }
  if (!options.json) options.print(summaryTable(runs, summary))
  else if (options.once) options.print(JSON.stringify(summary))
  return summary
}

function reportUnsent(count: number, print: (text: string) => void): void {
  if (count > 0) print(`${count} tasks wait for the sink; \`mailsluice status\` says why and until when.`)
}

function chosen(only: readonly StageName[] | undefined) {
  return STAGES.filter(stage => only === undefined || only.includes(stage.name))
}

function stayUp([mailbox = 'gmail:ana@example.com']: readonly MailboxId[]): string {
  const commands = [
    [`push ${mailbox}`, 'requests a sync'],
    [`sync ${mailbox}`, 'requests a sync and shows its progress'],
    ['status', 'shows the backlog and the mailboxes'],
    ['runs', 'shows the newest runs'],
  ] as const
  const width = Math.max(...commands.map(([command]) => command.length))
  const lines = commands.map(([command, does]) => `  npx mailsluice ${command.padEnd(width)}  ${does}`)
  return ['', 'Up and waiting for changes. From another terminal:', ...lines, 'Ctrl-C stops.'].join('\n')
}
