import type { Config } from '../../shared/config.ts'
import { type MailboxId, PROVIDERS, type Provider } from '../../shared/mailbox.ts'

/** Whether the settings name one Google account. */
export function hasGmailAccount(config: Config): boolean {
  return Boolean(config.GMAIL_CLIENT_ID && config.GMAIL_CLIENT_SECRET && config.GMAIL_REFRESH_TOKEN)
}

/** Whether a mailbox is one of OUTLOOK_MAILBOXES, which the app reads by itself: as `/users/{address}`, and with no account that is kept. */
export function isReadByApplication(config: Config, mailbox: MailboxId): boolean {
  return config.OUTLOOK_MAILBOXES.includes(mailbox)
}

/** The providers of which the settings name accounts, or with which they let accounts be connected: an OAuth client, and a key to seal what owners grant. */
export function providersSet(config: Config): Provider[] {
  const isSet: Record<Provider, boolean> = {
    gmail: hasGmailAccount(config) || (hasKey(config) && Boolean(config.GMAIL_CLIENT_ID && config.GMAIL_CLIENT_SECRET)),
    outlook: config.OUTLOOK_MAILBOXES.length > 0 || (hasKey(config) && Boolean(config.OUTLOOK_CLIENT_ID)),
  }
  return PROVIDERS.filter(provider => isSet[provider])
}

function hasKey(config: Config): boolean {
  return config.MAILBOXES_KEY.length > 0
}
