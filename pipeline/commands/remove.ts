import { createInterface } from 'node:readline/promises'
import type { Command } from 'commander'
import type { Config } from '../../shared/config.ts'
import { MailError } from '../../shared/error.ts'
import { type MailboxId, parseMailboxId, providerOf } from '../../shared/mailbox.ts'
import { readMailbox } from '../../shared/redis/mailboxes.ts'
import { removeMailbox } from '../../shared/redis/remove.ts'
import { createVault } from '../../shared/redis/secrets.ts'
import { readWatch } from '../../shared/redis/watches.ts'
import { createSeal } from '../../shared/seal.ts'
import { openMailboxes } from '../accounts/mailboxes.ts'
import { issuerOf, named, PROVIDERS } from '../accounts/providers.ts'
import { findSimulator } from '../accounts/simulator.ts'
import type { AppContext } from '../base/app.ts'
import type { CommandContext, ContextOf } from '../base/command-context.ts'
import { printableLine, type Terminal } from '../base/terminal.ts'
import { limited } from '../base/wait.ts'
import { withApp } from './with-app.ts'

/** Adds the arguments and the action of `remove`. */
export function define(command: Command, contextOf: ContextOf): void {
  command
    .argument('<mailbox>', 'such as gmail:ana@example.com')
    .option('--yes', 'skip the confirmation', false)
    .option('--json', 'print one JSON object', false)
    .action((mailbox, options) => remove(contextOf(options), mailbox, options))
}

/** The state of the owner's grant after the removal. */
type Access = 'taken back' | 'not taken back' | 'none'

const STOP_WITHIN_MS = 5000

/**
 * Removes a mailbox: revokes access, as far as the provider permits, and deletes all its data. Asks for confirmation unless `yes` is
 * set; throws `misconfigured` when there is no terminal to ask on.
 */
export async function remove(context: CommandContext, name: string, options: { yes: boolean }): Promise<void> {
  const mailbox = parseMailboxId(name)
  const { company, permissionsPage, removalNote } = named(PROVIDERS, providerOf(mailbox))
  if (!options.yes && !(await isConfirmed(mailbox, context))) {
    context.print('Nothing was removed.')
    return
  }
  await withApp(context, async app => {
    const wasConnected = (await readMailbox(app.redis, app.keys, mailbox)) !== undefined
    const { access, why } = await revokeAccess(context, app, mailbox)
    const removed = await removeMailbox(app.redis, app.keys, mailbox)
    if (context.json) {
      context.print(JSON.stringify({ mailbox, connected: wasConnected, access, ...removed }))
      return
    }
    const note = removalNote(context.config, mailbox, access !== 'none')
    context.print(
      [
        `${mailbox} ${wasConnected ? 'removed' : 'was not connected'}: ${removed.keys} keys and ${removed.entries} stream entries deleted.`,
        ...(removed.waiting > 0 ? [`${removed.waiting} entries are still queued; the stages drop them.`] : []),
        ...(access === 'taken back' ? [`Access was revoked at ${company}.`] : []),
        ...(access === 'not taken back'
          ? [`Access was not revoked (${why}); the owner can revoke it at ${permissionsPage}`]
          : []),
        ...(note === undefined ? [] : [note]),
      ].join('\n'),
    )
  })
}

// A failure at the provider must not stop the removal.
async function revokeAccess(
  { config }: CommandContext,
  app: AppContext,
  mailbox: MailboxId,
): Promise<{ access: Access; why?: string }> {
  const { redis, keys } = app
  try {
    const simUrl = await findSimulator(config)
    // A watch that stays is harmless: the gateway drops pushes of unknown mailboxes.
    await stopWatch(config, { simUrl, app, mailbox }).catch(() => undefined)
    const grant = await createVault(redis, keys, createSeal(config.MAILBOXES_KEY), undefined, provider =>
      issuerOf(provider, simUrl),
    ).read(mailbox)
    if (!grant) return { access: 'none' }
    const { revoke } = await named(PROVIDERS, providerOf(mailbox)).access()
    await revoke(config, simUrl, { secret: grant.secret, surroundings: app.surroundings })
    return { access: 'taken back' }
  } catch (error) {
    if (!(error instanceof MailError)) throw error
    return { access: 'not taken back', why: error.message }
  }
}

// Some mailboxes have no grant of their own: the account of the settings or the app itself reads them.
async function stopWatch(
  config: Config,
  { simUrl, app, mailbox }: { simUrl: string | undefined; app: AppContext; mailbox: MailboxId },
): Promise<void> {
  if ((await readWatch(app.redis, app.keys, mailbox)).expiresAt === undefined) return
  const { stop } = openMailboxes(config, simUrl, app)(mailbox)
  await limited(STOP_WITHIN_MS, app.surroundings.machine, signal => stop({ signal, meter: () => undefined }))
}

async function isConfirmed(
  mailbox: MailboxId,
  { signal, terminal: { screen } }: { signal: AbortSignal; terminal: Pick<Terminal, 'screen'> },
): Promise<boolean> {
  if (!process.stdin.isTTY) {
    throw new MailError('misconfigured', `removing ${mailbox} deletes all its data: pass --yes to confirm`)
  }
  const terminal = createInterface({ input: process.stdin, output: screen })
  try {
    const answer = await terminal.question(`Remove ${printableLine(mailbox)} and all its data? (yes/no) `, {
      signal,
    })
    return /^y(es)?$/i.test(answer.trim())
  } finally {
    terminal.close()
  }
}
