import { Argument, type Command } from 'commander'
import { MailError } from '../../shared/error.ts'
import { type Provider, parseMailboxId } from '../../shared/mailbox.ts'
import { type ConnectOptions, connectWith, refuseIfByApplication } from '../accounts/consent/connect.ts'
import { named, PROVIDERS } from '../accounts/providers.ts'
import { findSimulator } from '../accounts/simulator.ts'
import type { CommandContext, ContextOf } from '../base/command-context.ts'
import { withDurableRedis } from '../embedded-redis/durable.ts'
import { checked, wholeNumber, word } from './arguments.ts'

/** Adds the arguments and the action of `connect`. */
export function define(command: Command, contextOf: ContextOf): void {
  command
    .addArgument(new Argument('<provider>', 'the mail provider').choices([...PROVIDERS.keys()]))
    .option('--address <address>', 'accept only this address', checked(word))
    .option(
      '--port <port>',
      'local port for the browser redirect; 0 picks a free one',
      checked(wholeNumber(0, 65_535)),
      0,
    )
    .option('--timeout <seconds>', 'how long to wait for consent', checked(wholeNumber(1, 86_400)), 300)
    .option('--json', 'print one JSON object', false)
    .action((provider, { address, port, timeout, ...options }) =>
      connect(contextOf(options), provider, { address, port, timeoutSeconds: timeout }),
    )
}

/**
 * Connects a mailbox: the owner grants access in the browser, the grant is sealed and stored, and the first sync is requested. A
 * connected mailbox gets the new grant, and resumes if it was parked. Throws a one-line error that names the obstacle.
 */
export async function connect(context: CommandContext, provider: Provider, options: ConnectOptions): Promise<void> {
  const { config } = context
  const wanted = options.address === undefined ? undefined : parseMailboxId(`${provider}:${options.address}`)
  if (config.MAILBOXES_KEY.length === 0) {
    throw new MailError(
      'misconfigured',
      'MAILBOXES_KEY is not set: generate a key with `openssl rand -base64 32`, and set it here and for every process',
    )
  }
  if (wanted) refuseIfByApplication(config, wanted)
  const access = await named(PROVIDERS, provider).access()
  const consenting = access.consent(config, await findSimulator(config), context.surroundings)
  // Redis problems surface before the owner is asked for consent.
  await withDurableRedis(context, app => connectWith(consenting, { context, app, wanted, options }))
}
