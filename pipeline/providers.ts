import type { Config } from '../shared/config.ts'
import { MailError } from '../shared/error.ts'
import type { GmailAccount } from '../shared/gmail/client.ts'
import { gmailMailbox } from '../shared/gmail/mailbox.ts'
import { addressOf, type Mailbox, type MailboxId, providerOf } from '../shared/mailbox.ts'

/** The mailbox behind an id, the same object each time; throws `unauthorized` or `unsupported` when there is no way to reach it. */
export type Mailboxes = (mailbox: MailboxId) => Mailbox

const PAGE_SIZE = { live: 100, bulk: 500 }
const GOOGLE = 'https://gmail.googleapis.com'
const GOOGLE_TOKENS = 'https://oauth2.googleapis.com/token'

/** Mailboxes at Google with the configured account, or at a simulator when `simUrl` names one. */
export function openMailboxes(config: Config, simUrl: string | undefined): Mailboxes {
  const open = new Map<MailboxId, Mailbox>()
  return mailbox => {
    const known = open.get(mailbox) ?? gmail(mailbox)
    open.set(mailbox, known)
    return known
  }

  function gmail(mailbox: MailboxId): Mailbox {
    if (providerOf(mailbox) !== 'gmail') {
      throw new MailError('unsupported', `${mailbox}: Outlook mailboxes are not supported yet; only gmail: ones are`)
    }
    const address = addressOf(mailbox)
    return gmailMailbox({
      address,
      account: simUrl ? simulated(address) : accountOf(config, mailbox),
      rootUrl: `${simUrl ?? GOOGLE}/`,
      tokenUrl: simUrl ? `${simUrl}/token` : GOOGLE_TOKENS,
      fields: config.GMAIL_FIELDS,
      initialSync: config.INITIAL_SYNC,
      quota: config.GMAIL_QUOTA,
      pageSize: PAGE_SIZE,
    })
  }
}

/** Whether the settings name a Google account. */
export function hasAccount(config: Config): boolean {
  return Boolean(config.GMAIL_CLIENT_ID && config.GMAIL_CLIENT_SECRET && config.GMAIL_REFRESH_TOKEN)
}

function simulated(address: string): GmailAccount {
  return { clientId: 'simulated', clientSecret: 'simulated', refreshToken: `simulated:${address}` }
}

function accountOf(config: Config, mailbox: MailboxId): GmailAccount {
  const { GMAIL_CLIENT_ID: clientId, GMAIL_CLIENT_SECRET: clientSecret, GMAIL_REFRESH_TOKEN: refreshToken } = config
  if (!clientId || !clientSecret || !refreshToken) {
    throw new MailError(
      'unauthorized',
      `${mailbox} cannot be reached: set GMAIL_CLIENT_ID, GMAIL_CLIENT_SECRET and GMAIL_REFRESH_TOKEN, or SIM_URL for a simulator`,
    )
  }
  return { clientId, clientSecret, refreshToken }
}
