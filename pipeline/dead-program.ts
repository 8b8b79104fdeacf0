import { type Command, Option } from 'commander'
import { checked, wholeNumber } from './arguments.ts'
import type { CommandContext } from './commands.ts'
import { deadDrop, deadList, deadRedrive, deadShow, parseBurier } from './dead.ts'

/** Adds `dead list`, `show`, `redrive` and `drop` to the program. */
export function addDeadCommands(mailsluice: Command, contextOf: (options: { json?: boolean }) => CommandContext): void {
  const dead = mailsluice.command('dead').description('dead letters: inputs that were given up').helpCommand(false)
  const stage = () =>
    new Option('--stage <name>', 'only of this stage, or of the gateway').argParser(checked(parseBurier))
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
}
