import { createInterface } from 'node:readline/promises'
import type { Command } from 'commander'
import type { Config } from '../../shared/config.ts'
import { MailError } from '../../shared/error.ts'
import { revokeGrant } from '../../shared/gmail/oauth.ts'
import { type MailboxId, type Provider, parseMailboxId, providerOf } from '../../shared/mailbox.ts'
import { readMailbox } from '../../shared/redis/mailboxes.ts'
import { removeMailbox } from '../../shared/redis/remove.ts'
import { createVault } from '../../shared/redis/secrets.ts'
import { readWatch } from '../../shared/redis/watches.ts'
import { createSeal } from '../../shared/seal.ts'
import { hasGmailAccount, isReadByApplication } from '../accounts/account-settings.ts'
import { googleApp, issuerOf } from '../accounts/oauth-app.ts'
import { openMailboxes } from '../accounts/providers.ts'
import { findSimulator } from '../accounts/simulator.ts'
import type { AppContext } from '../base/app.ts'
import type { CommandContext, ContextOf } from '../base/command-context.ts'
import { printableLine, screen } from '../base/terminal.ts'
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
const PERMISSIONS: Readonly<Record<Provider, string>> = {
  gmail: 'https://myaccount.google.com/permissions',
  outlook: 'https://myapps.microsoft.com, with a personal account at https://account.live.com/consent/Manage',
}

/**
 * Removes a mailbox: revokes access, as far as the provider permits, and deletes all its data. Asks for confirmation unless `yes` is
 * set; throws `misconfigured` when there is no terminal to ask on.
 */
export async function remove(context: CommandContext, name: string, options: { yes: boolean }): Promise<void> {
  const mailbox = parseMailboxId(name)
  if (!options.yes && !(await isConfirmed(mailbox, context.signal))) {
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
    context.print(
      [
        `${mailbox} ${wasConnected ? 'removed' : 'was not connected'}: ${removed.keys} keys and ${removed.entries} stream entries deleted.`,
        ...(removed.waiting > 0 ? [`${removed.waiting} entries are still queued; the stages drop them.`] : []),
        ...(access === 'taken back' ? ['Access was revoked at Google.'] : []),
        ...(access === 'not taken back'
          ? [`Access was not revoked (${why}); the owner can revoke it at ${PERMISSIONS[providerOf(mailbox)]}`]
          : []),
        ...(isReadByApplication(context.config, mailbox)
          ? ['OUTLOOK_MAILBOXES names this mailbox: remove it there, or the next `up` connects it again.']
          : []),
        ...(access === 'none' && providerOf(mailbox) === 'gmail' && hasGmailAccount(context.config)
          ? ['If GMAIL_REFRESH_TOKEN belongs to this mailbox, unset it, or the next `up` connects the mailbox again.']
          : []),
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
    if (providerOf(mailbox) === 'outlook')
      return { access: 'not taken back', why: 'Microsoft does not let apps revoke grants' }
    await revokeGrant(googleApp(config, simUrl), grant.secret)
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
  const call = { signal: AbortSignal.timeout(STOP_WITHIN_MS), meter: () => undefined }
  await openMailboxes(config, simUrl, app)(mailbox).stop(call)
}

async function isConfirmed(mailbox: MailboxId, signal: AbortSignal): Promise<boolean> {
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
