import type { Config } from '../../shared/config.ts'
import type { MailboxId } from '../../shared/mailbox.ts'

/** Returns whether the settings name one Google account. */
export function hasGmailAccount(config: Config): boolean {
  return Boolean(config.GMAIL_CLIENT_ID && config.GMAIL_CLIENT_SECRET && config.GMAIL_REFRESH_TOKEN)
}

/** Returns whether a mailbox is one of OUTLOOK_MAILBOXES. The app reads those as `/users/{address}`, without an account in the store. */
export function isReadByApplication(config: Config, mailbox: MailboxId): boolean {
  return config.OUTLOOK_MAILBOXES.includes(mailbox)
}

/** Returns whether the settings hold a key that seals what owners grant. */
export function hasKey(config: Config): boolean {
  return config.MAILBOXES_KEY.length > 0
}
