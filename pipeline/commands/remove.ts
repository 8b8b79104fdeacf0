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
    .option('--yes', 'do not ask first', false)
    .option('--json', 'print one JSON object', false)
    .action((mailbox, options) => remove(contextOf(options), mailbox, options))
}

/** What became of the access that the owner had granted. */
type Access = 'taken back' | 'not taken back' | 'none'

const STOP_WITHIN_MS = 5000
const PERMISSIONS: Readonly<Record<Provider, string>> = {
  gmail: 'https://myaccount.google.com/permissions',
  outlook: 'https://myapps.microsoft.com, with a personal account at https://account.live.com/consent/Manage',
}

/**
 * Removes a mailbox: takes access back, as far as the provider lets us, and deletes everything that is kept of it. Asks first, unless
 * `yes` is set; without a terminal to ask at it throws `misconfigured`.
 */
export async function remove(context: CommandContext, name: string, options: { yes: boolean }): Promise<void> {
  const mailbox = parseMailboxId(name)
  if (!options.yes && !(await isConfirmed(mailbox, context.signal))) {
    context.print('Nothing was removed.')
    return
  }
  await withApp(context, async app => {
    const wasConnected = (await readMailbox(app.redis, app.keys, mailbox)) !== undefined
    const { access, why } = await takeBack(context, app, mailbox)
    const removed = await removeMailbox(app.redis, app.keys, mailbox)
    if (context.json) {
      context.print(JSON.stringify({ mailbox, connected: wasConnected, access, ...removed }))
      return
    }
    context.print(
      [
        `${mailbox} ${wasConnected ? 'is removed' : 'was not connected'}: ${removed.keys} keys and ${removed.entries} stream entries were deleted.`,
        ...(removed.waiting > 0
          ? [`${removed.waiting} entries still wait; the stages drop them when they come to them.`]
          : []),
        ...(access === 'taken back' ? ['Access was taken back at Google.'] : []),
        ...(access === 'not taken back'
          ? [`Access was not taken back (${why}): the owner can do it at ${PERMISSIONS[providerOf(mailbox)]}`]
          : []),
        ...(isReadByApplication(context.config, mailbox)
          ? ['It is one of OUTLOOK_MAILBOXES: take it off there, or the next `up` connects it again.']
          : []),
        ...(access === 'none' && providerOf(mailbox) === 'gmail' && hasGmailAccount(context.config)
          ? ['If it is the mailbox of GMAIL_REFRESH_TOKEN, unset that: the next `up` would connect it again.']
          : []),
      ].join('\n'),
    )
  })
}

// The provider's word is wished for, not waited for: the mailbox goes in any case.
async function takeBack(
  { config }: CommandContext,
  app: AppContext,
  mailbox: MailboxId,
): Promise<{ access: Access; why?: string }> {
  const { redis, keys } = app
  try {
    const simUrl = await findSimulator(config)
    // Pushes of a mailbox that is not there are dropped: it may be left watched.
    await stopWatch(config, { simUrl, app, mailbox }).catch(() => undefined)
    const grant = await createVault(redis, keys, createSeal(config.MAILBOXES_KEY), undefined, provider =>
      issuerOf(provider, simUrl),
    ).read(mailbox)
    if (!grant) return { access: 'none' }
    if (providerOf(mailbox) === 'outlook') return { access: 'not taken back', why: 'Microsoft lets no app do that' }
    await revokeGrant(googleApp(config, simUrl), grant.secret)
    return { access: 'taken back' }
  } catch (error) {
    if (!(error instanceof MailError)) throw error
    return { access: 'not taken back', why: error.message }
  }
}

// Some are read without a grant of their own: by the settings' account, or by the app itself.
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
    throw new MailError(
      'misconfigured',
      `removing ${mailbox} deletes all that is kept of it: add --yes to say that you mean it`,
    )
  }
  const terminal = createInterface({ input: process.stdin, output: screen })
  try {
    const answer = await terminal.question(`Remove ${printableLine(mailbox)} and all that is kept of it? (yes/no) `, {
      signal,
    })
    return /^y(es)?$/i.test(answer.trim())
  } finally {
    terminal.close()
  }
}
