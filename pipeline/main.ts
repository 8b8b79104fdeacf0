#!/usr/bin/env node
import { Command, CommanderError, Option } from 'commander'
import { readConfig } from '../shared/config.ts'
import { MailError } from '../shared/error.ts'
import { parseMailboxId } from '../shared/mailbox.ts'
import { STAGE_NAMES } from '../shared/stage.ts'
import { STREAMS } from '../shared/streams.ts'
import { cleanJson } from '../shared/text.ts'
import { parseFaults } from '../sim/gmail/faults.ts'
import { parseGraphFaults } from '../sim/graph/faults.ts'
import { addAccountCommands } from './account-program.ts'
import { checked, gather, historyId, oneStage, webAddress, wholeNumber, word } from './arguments.ts'
import { type CommandContext, push, runOneStage, runs, sync } from './commands.ts'
import { addDeadCommands } from './dead-program.ts'
import { explain } from './explain.ts'
import { runGateway } from './gateway/command.ts'
import { runKeeper } from './keeper-command.ts'
import { diesLoudly, untilSignalled } from './lifecycle.ts'
import { createLog } from './log.ts'
import { parseTime, replay } from './replay.ts'
import { runSimulator } from './sim-command.ts'
import { status } from './status.ts'
import { tail } from './tail.ts'
import { tellOfMisspelt } from './tell-misspelt.ts'
import { err, isOutputLost, out, printableLine, readerGone } from './terminal.ts'
import { parseStages, up } from './up.ts'
import { unwatch, watch } from './watch-command.ts'

const WRONG_USE = 2
const FAILED = 1

try {
  await program().parseAsync()
} catch (error) {
  process.exitCode = complain(error)
}
if (await isOutputLost()) process.exitCode ||= FAILED
// Whatever a library keeps open must not keep a finished command alive.
process.exit()

function program(): Command {
  const mailsluice = new Command('mailsluice')
    .description(
      'Event-driven mail sync: mailbox changes become conversations worth analysing, with few provider calls and nothing lost.',
    )
    .exitOverride()
    .configureOutput({
      writeOut: text => out(text.trimEnd()),
      writeErr: text => err(text.trimEnd()),
      outputError: (text, write) => write(`mailsluice: ${text.replace(/^error: /, '')}`),
    })
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
      'simulate a Gmail mailbox, or one of Outlook with outlook: before it, from an mbox file or a folder of .eml files (may be repeated)',
      gather,
      [],
    )
    .option('--port <port>', 'take pushes in on this port', checked(wholeNumber(0, 65_535)))
    .action(async options => {
      const context = contextOf({ ...options, stays: !options.once })
      if (!(await up(context.config, { ...options, signal: context.signal, print: context.print })))
        process.exitCode = FAILED
    })

  mailsluice
    .command('stage')
    .description('run one stage as a process of its own')
    .argument('<name>', 'list-ids, cache-filter, batch-fetch, merge, thread-group or ai-dispatch', checked(oneStage))
    .action(name => runOneStage(contextOf({}), name))

  mailsluice
    .command('gateway')
    .description('take in what says that mailboxes changed: pushes by HTTP, and the intake stream')
    .option('--port <port>', 'the port to listen on (PORT, else 8080)', checked(wholeNumber(0, 65_535)))
    .action(options => runGateway(contextOf({}), options.port))

  mailsluice
    .command('keeper')
    .description(
      'trim streams, remove dead consumers, heal runs that stand still, renew watches, poll what no push came of',
    )
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

  addAccountCommands(mailsluice, contextOf)

  for (const [name, act] of Object.entries({ watch, unwatch })) {
    mailsluice
      .command(name)
      .description(
        name === 'watch' ? 'have the provider notify of changes; the keeper renews it' : 'have it notify no more',
      )
      .argument('<mailbox>', 'such as gmail:ana@example.com')
      .option('--json', 'print one JSON object', false)
      .action((mailbox, options) => act(contextOf(options), mailbox))
  }

  addDeadCommands(mailsluice, contextOf)

  mailsluice
    .command('explain')
    .description("show a message's way through the stages, hop by hop")
    .argument('<message>', "the message's id at its provider, or an envelope's id such as run/window/index")
    .option('--mailbox <mailbox>', 'only in this mailbox', checked(parseMailboxId))
    .option('--json', 'print one JSON object', false)
    .action(async (message, options) => {
      if (!(await explain(contextOf(options), message, options))) process.exitCode = FAILED
    })

  mailsluice
    .command('tail')
    .description('print what is written to a stream, as it is written, until Ctrl-C')
    .argument('<stream>', STREAMS.map(({ name }) => name).join(', '))
    .option('--from-start', 'begin with what it holds already', false)
    .option('--json', 'print each entry in full, a JSON object a line', false)
    .action((stream, options) => tail(contextOf({ ...options, stays: true }), stream, options))

  mailsluice
    .command('replay')
    .description(
      'do again what a stage did with recorded inputs, with nothing changed, and show what comes out otherwise',
    )
    .argument('<stage>', STAGE_NAMES.join(', '), checked(oneStage))
    .option('--run <id>', 'only inputs of this run', checked(word))
    .option('--mailbox <mailbox>', 'only inputs of this mailbox', checked(parseMailboxId))
    .option('--since <time>', 'only inputs from then on, such as 2026-11-23T09:30:00Z', checked(parseTime))
    .option('--until <time>', 'only inputs up to then', checked(parseTime))
    .option('--message <id>', 'only inputs that speak of this message', checked(word))
    .addOption(
      new Option('--into <name>', 'run them through all that follows, in a sandbox that expires').conflicts('requeue'),
    )
    .option('--requeue', 'put them back into their streams, for real')
    .option('--json', 'print one JSON object', false)
    .action(async (stage, options) => {
      if (!(await replay(contextOf(options), stage, options))) process.exitCode = FAILED
    })

  mailsluice
    .command('sim')
    .description('run the simulators of Gmail and Microsoft Graph alone')
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

  return mailsluice
}

// What ends by itself does its work though nobody reads of it; what would stay for its reader stops with them.
function contextOf({ json = false, stays = false }: { json?: boolean; stays?: boolean }): CommandContext {
  const config = readConfig()
  const log = createLog(config, 'mailsluice')
  diesLoudly(log)
  tellOfMisspelt(log)
  const signal = untilSignalled(err)
  return {
    config,
    json,
    signal: stays ? AbortSignal.any([signal, readerGone]) : signal,
    print: text => out(json ? cleanJson(text) : text),
  }
}

/** Says in one line what went wrong, and with which exit code. */
function complain(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : WRONG_USE
  err(`mailsluice: ${printableLine(error instanceof Error ? error.message : String(error))}`)
  return error instanceof MailError && error.kind === 'misconfigured' ? WRONG_USE : FAILED
}
