import type { Config } from '../../shared/config.ts'
import { MailError } from '../../shared/error.ts'
import type { MailboxId } from '../../shared/mailbox.ts'
import { clientStateKeys, clientStateOf } from '../../shared/outlook/client-state.ts'
import type { Notifying } from '../../shared/outlook/subscription.ts'

/** Where the gateway takes in what Graph says: changes, and what becomes of subscriptions. */
export const OUTLOOK_PATHS = { notifications: '/outlook/notifications', lifecycle: '/outlook/lifecycle' }

/** The keys by which notifications are known to be Graph's, newest first; none where the settings hold no secret. */
export function stateKeysOf(config: Config): Buffer[] {
  return clientStateKeys({ secret: config.OUTLOOK_CLIENT_STATE, sealingKeys: config.MAILBOXES_KEY })
}

/**
 * Where Graph is to notify of a mailbox's changes; `undefined` where it is not set, for the mailbox is polled then. Throws
 * `misconfigured` for an address that is not safe, or where nothing is set that notifications could be known by.
 */
export function notifyingOf(config: Config, simUrl: string | undefined, mailbox: MailboxId): Notifying | undefined {
  const { OUTLOOK_NOTIFICATION_URL: base } = config
  if (!base) return undefined
  // Graph accepts no other (learn.microsoft.com/graph/api/resources/subscription).
  if (!simUrl && !base.startsWith('https:'))
    throw new MailError(
      'misconfigured',
      'OUTLOOK_NOTIFICATION_URL must begin with https://, for Graph notifies no other',
    )
  const [key] = stateKeysOf(config)
  if (!key)
    throw new MailError(
      'misconfigured',
      'OUTLOOK_NOTIFICATION_URL is set, and nothing that notifications could be known by: set MAILBOXES_KEY or OUTLOOK_CLIENT_STATE',
    )
  return {
    notificationUrl: `${base}${OUTLOOK_PATHS.notifications}`,
    lifecycleUrl: `${base}${OUTLOOK_PATHS.lifecycle}`,
    clientState: clientStateOf(key, mailbox),
  }
}
