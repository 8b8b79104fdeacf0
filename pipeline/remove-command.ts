import { createInterface } from 'node:readline/promises'
import type { Config } from '../shared/config.ts'
import { MailError } from '../shared/error.ts'
import { revokeGrant } from '../shared/gmail/oauth.ts'
import { type MailboxId, type Provider, parseMailboxId, providerOf } from '../shared/mailbox.ts'
import { readMailbox } from '../shared/redis/mailboxes.ts'
import { removeMailbox } from '../shared/redis/remove.ts'
import { createVault } from '../shared/redis/secrets.ts'
import { readWatch } from '../shared/redis/watches.ts'
import { createSeal } from '../shared/seal.ts'
import { hasGmailAccount, isReadByApplication } from './account-settings.ts'
import { type CommandContext, withOffice } from './commands.ts'
import { googleApp, issuerOf } from './oauth-app.ts'
import { openMailboxes } from './providers.ts'
import { findSimulator } from './simulator.ts'
import { printableLine, screen } from './terminal.ts'
import type { Office } from './wire.ts'

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
  await withOffice(context, async office => {
    const wasConnected = (await readMailbox(office.redis, office.keys, mailbox)) !== undefined
    const { access, why } = await takeBack(context, office, mailbox)
    const removed = await removeMailbox(office.redis, office.keys, mailbox)
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
  office: Office,
  mailbox: MailboxId,
): Promise<{ access: Access; why?: string }> {
  const { redis, keys } = office
  try {
    const simUrl = await findSimulator(config)
    // Pushes of a mailbox that is not there are dropped: it may be left watched.
    await stopWatch(config, { simUrl, office, mailbox }).catch(() => undefined)
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
  { simUrl, office, mailbox }: { simUrl: string | undefined; office: Office; mailbox: MailboxId },
): Promise<void> {
  if ((await readWatch(office.redis, office.keys, mailbox)).expiresAt === undefined) return
  const call = { signal: AbortSignal.timeout(STOP_WITHIN_MS), meter: () => undefined }
  await openMailboxes(config, simUrl, office)(mailbox).stop(call)
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
