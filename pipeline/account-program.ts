import { Argument, type Command } from 'commander'
import { PROVIDERS } from '../shared/mailbox.ts'
import { mailboxes, pause, rekey, resume } from './accounts.ts'
import { checked, wholeNumber, word } from './arguments.ts'
import type { CommandContext } from './commands.ts'
import { connect } from './connect/connect.ts'
import { remove } from './remove-command.ts'

const FAILED = 1
const EXAMPLE = 'such as gmail:ana@example.com'

/** Adds the commands that deal with mailboxes and their accounts. */
export function addAccountCommands(
  mailsluice: Command,
  contextOf: (options: { json?: boolean }) => CommandContext,
): void {
  mailsluice
    .command('connect')
    .description('connect a mailbox: its owner allows it in the browser')
    .addArgument(new Argument('<provider>', 'where the mailbox is').choices(PROVIDERS))
    .option('--address <address>', 'only this one', checked(word))
    .option(
      '--port <port>',
      'where the browser comes back to on this machine; 0 takes a free one',
      checked(wholeNumber(0, 65_535)),
      0,
    )
    .option('--timeout <seconds>', 'how long to wait for its owner', checked(wholeNumber(1, 86_400)), 300)
    .option('--json', 'print one JSON object', false)
    .action((provider, { address, port, timeout, ...options }) =>
      connect(contextOf(options), provider, { address, port, timeoutSeconds: timeout }),
    )

  mailsluice
    .command('mailboxes')
    .description('show the connected mailboxes')
    .option('--json', 'print one JSON object', false)
    .action(options => mailboxes(contextOf(options)))

  for (const [name, { does, act }] of Object.entries({
    pause: { does: "let a mailbox's work wait", act: pause },
    resume: { does: 'let a mailbox go on that is paused or waits for its account', act: resume },
  })) {
    mailsluice
      .command(name)
      .description(does)
      .argument('<mailbox>', EXAMPLE)
      .option('--json', 'print one JSON object', false)
      .action((mailbox, options) => act(contextOf(options), mailbox))
  }

  mailsluice
    .command('remove')
    .description('take access back and delete all that is kept of a mailbox')
    .argument('<mailbox>', EXAMPLE)
    .option('--yes', 'do not ask first', false)
    .option('--json', 'print one JSON object', false)
    .action((mailbox, options) => remove(contextOf(options), mailbox, options))

  mailsluice
    .command('rekey')
    .description('seal all accounts with the first key of MAILBOXES_KEY')
    .option('--json', 'print one JSON object', false)
    .action(async options => {
      if (!(await rekey(contextOf(options)))) process.exitCode = FAILED
    })
}
