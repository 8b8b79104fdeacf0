#!/usr/bin/env node
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { readConfig } from '../shared/config.ts'
import { MailError } from '../shared/error.ts'
import type { StageName } from '../shared/stage.ts'
import { type CommandContext, push, resume, runOneStage, runs, status, sync } from './commands.ts'
import { deadDrop, deadList, deadRedrive, deadShow } from './dead.ts'
import { runKeeper } from './keeper-command.ts'
import { diesLoudly, untilSignalled } from './lifecycle.ts'
import { createLog } from './log.ts'
import { runSimulator } from './sim-command.ts'
import { parseStages, up } from './up.ts'

const WRONG_USE = 2
const FAILED = 1

try {
  await program().parseAsync()
} catch (error) {
  process.exitCode = explain(error)
}
// Whatever a library keeps open must not keep a finished command alive.
process.exit()

function program(): Command {
  const mailsluice = new Command('mailsluice')
    .description(
      'Event-driven mail sync: mailbox changes become conversations worth analysing, with few provider calls and nothing lost.',
    )
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(`mailsluice: ${text.replace(/^error: /, '')}`) })
    .showSuggestionAfterError()
    .helpCommand(false)

  mailsluice
    .command('up')
    .description('run every stage in this process, on simulated mail and an embedded Redis where nothing else is set')
    .option('--only <stages>', 'only these stages, such as list-ids,merge', checked(parseStages))
    .option('--once', 'sync every mailbox once, print the summary, exit', false)
    .option('--json', 'print the summary as one JSON object', false)
    .option(
      '--mbox <file>',
      'simulate a mailbox from an mbox file or a folder of .eml files (may be repeated)',
      gather,
      [],
    )
    .action(async options => {
      const context = contextOf(options)
      if (!(await up(context.config, { ...options, signal: context.signal, print: context.print })))
        process.exitCode = FAILED
    })

  mailsluice
    .command('stage')
    .description('run one stage as a process of its own')
    .argument('<name>', 'list-ids, cache-filter, batch-fetch, merge, thread-group or ai-dispatch', checked(oneStage))
    .action(name => runOneStage(contextOf({}), name))

  mailsluice
    .command('keeper')
    .description('trim streams, remove dead consumers, look for stuck runs')
    .action(() => runKeeper(contextOf({})))

  mailsluice
    .command('push')
    .description('say that a mailbox changed')
    .argument('<mailbox>', 'such as gmail:ana@example.com')
    .option('--history-id <id>', 'the history id a push notification would carry', checked(historyId))
    .option('--json', 'print one JSON object', false)
    .action((mailbox, options) => push(contextOf(options), mailbox, options.historyId))

  mailsluice
    .command('sync')
    .description('say that a mailbox changed and follow its run to the end')
    .argument('<mailbox>', 'such as gmail:ana@example.com')
    .option('--json', 'print one JSON object', false)
    .action(async (mailbox, options) => {
      if (!(await sync(contextOf(options), mailbox))) process.exitCode = FAILED
    })

  mailsluice
    .command('status')
    .description('show what waits where')
    .option('--json', 'print one JSON object', false)
    .action(options => status(contextOf(options)))

  mailsluice
    .command('runs')
    .description('show the newest runs')
    .option('--limit <count>', 'how many', checked(wholeNumber(1, 1000)), 20)
    .option('--json', 'print one JSON object', false)
    .action(options => runs(contextOf(options), options.limit))

  mailsluice
    .command('resume')
    .description('let a mailbox go on that waits for its account')
    .argument('<mailbox>', 'such as gmail:ana@example.com')
    .option('--json', 'print one JSON object', false)
    .action((mailbox, options) => resume(contextOf(options), mailbox))

  const dead = mailsluice.command('dead').description('dead letters: inputs that were given up').helpCommand(false)
  const stage = () => new Option('--stage <name>', 'only of this stage').argParser(checked(oneStage))
  dead
    .command('list')
    .addOption(stage())
    .option('--limit <count>', 'how many', checked(wholeNumber(1, 10_000)), 100)
    .option('--json', 'print one JSON object', false)
    .action(options => deadList(contextOf(options), options))
  dead
    .command('show')
    .argument('<name>', 'as `dead list` shows it')
    .option('--json', 'print one JSON object', false)
    .action((name, options) => deadShow(contextOf(options), name))
  for (const [name, act] of Object.entries({ redrive: deadRedrive, drop: deadDrop })) {
    dead
      .command(name)
      .description(name === 'redrive' ? 'put dead letters back to work' : 'forget dead letters for good')
      .argument('[name]', 'as `dead list` shows it')
      .option('--all', 'all of them', false)
      .addOption(stage())
      .option('--json', 'print one JSON object', false)
      .action((letter, options) => act(contextOf(options), { name: letter, all: options.all, stage: options.stage }))
  }

  mailsluice
    .command('sim')
    .description('run the Gmail simulator alone')
    .option('--mbox <file>', 'an mbox file or a folder of .eml files (may be repeated)', gather, [])
    .option('--gmail <port>', 'the port to listen on', checked(wholeNumber(0, 65_535)), 8025)
    .option('--host <address>', 'the address to listen on', '127.0.0.1')
    .addOption(
      new Option('--profile <name>', 'how slow it answers').choices(['live', 'seed', 'instant']).default('live'),
    )
    .action(options => runSimulator(contextOf({}), options))

  return mailsluice
}

function contextOf(options: { json?: boolean }): CommandContext {
  const config = readConfig()
  diesLoudly(createLog(config, 'mailsluice'))
  const say = (text: string) => process.stderr.write(`${text}\n`)
  return {
    config,
    json: options.json === true,
    signal: untilSignalled(say),
    print: text => process.stdout.write(`${text}\n`),
  }
}

/** Says in one line what went wrong, and with which exit code. */
function explain(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : WRONG_USE
  process.stderr.write(`mailsluice: ${error instanceof Error ? error.message : String(error)}\n`)
  return error instanceof MailError && error.kind === 'misconfigured' ? WRONG_USE : FAILED
}

function gather(value: string, before: string[]): string[] {
  return [...before, value]
}

function checked<T>(parse: (text: string) => T): (text: string) => T {
  return text => {
    try {
      return parse(text)
    } catch (error) {
      throw new InvalidArgumentError(error instanceof Error ? error.message : String(error))
    }
  }
}

function wholeNumber(low: number, high: number): (text: string) => number {
  return text => {
    const number = Number(text)
    if (!Number.isInteger(number) || number < low || number > high)
      throw new InvalidArgumentError(`use a whole number from ${low} to ${high}.`)
    return number
  }
}

function oneStage(text: string): StageName {
  const [name, ...others] = parseStages(text)
  if (!name || others.length > 0) throw new InvalidArgumentError('name one stage.')
  return name
}

function historyId(text: string): string {
  if (!/^\d{1,20}$/.test(text)) throw new InvalidArgumentError('use a number, as Gmail sends it.')
  return text
}
