import { Argument, type Command } from 'commander'
import type { Config } from '../../shared/config.ts'
import { MailError } from '../../shared/error.ts'
import { PROVIDERS, type Provider, parseMailboxId } from '../../shared/mailbox.ts'
import { type ConnectOptions, connectWith, refuseIfByApplication } from '../accounts/consent/connect.ts'
import type { Consenting } from '../accounts/consent/consenting.ts'
import { gmailConsent } from '../accounts/consent/gmail.ts'
import { outlookConsent } from '../accounts/consent/outlook.ts'
import { findSimulator } from '../accounts/simulator.ts'
import type { CommandContext, ContextOf } from '../base/command-context.ts'
import { withKeptRedis } from '../embedded-redis/durable.ts'
import { checked, wholeNumber, word } from './arguments.ts'

const CONSENTING: Readonly<Record<Provider, (config: Config, simUrl: string | undefined) => Consenting>> = {
  gmail: gmailConsent,
  outlook: outlookConsent,
}

/** Adds the arguments and the action of `connect`. */
export function define(command: Command, contextOf: ContextOf): void {
  command
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
}

/**
 * Connects a mailbox: its owner allows it in the browser, what was granted is sealed and kept, and the first sync is asked for. A
 * mailbox that is connected already gets the new grant, and goes on if it was waiting for its account. Throws, in one line, what was in the way.
 */
export async function connect(context: CommandContext, provider: Provider, options: ConnectOptions): Promise<void> {
  const { config } = context
  const wanted = options.address === undefined ? undefined : parseMailboxId(`${provider}:${options.address}`)
  if (config.MAILBOXES_KEY.length === 0) {
    throw new MailError(
      'misconfigured',
      'MAILBOXES_KEY is not set: set it to a key of your own, such as `openssl rand -base64 32` prints, here and for every process',
    )
  }
  if (wanted) refuseIfByApplication(config, wanted)
  const consenting = CONSENTING[provider](config, await findSimulator(config))
  // Whatever is wrong here is found before a person is bothered.
  await withKeptRedis(context, app => connectWith(consenting, { context, app, wanted, options }))
}
