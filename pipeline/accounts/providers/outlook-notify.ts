import type { Config } from '../../../shared/config.ts'
import { MailError } from '../../../shared/error.ts'
import type { MailboxId } from '../../../shared/mailbox.ts'
import { clientStateKeys, clientStateOf } from '../../../shared/outlook/client-state.ts'
import type { Notifying } from '../../../shared/outlook/subscription.ts'

/** The gateway's paths for Graph: notifications of changes, and the lifecycle of subscriptions. */
export const OUTLOOK_PATHS = { notifications: '/outlook/notifications', lifecycle: '/outlook/lifecycle' }

/** Returns the keys that authenticate Graph's notifications, newest first; none where the settings hold no secret. */
export function stateKeysOf(config: Config): Buffer[] {
  return clientStateKeys({ secret: config.OUTLOOK_CLIENT_STATE, sealingKeys: config.MAILBOXES_KEY })
}

/**
 * Returns where Graph notifies of a mailbox's changes; `undefined` where that is not set and the mailbox is polled. Throws
 * `misconfigured` for an address without TLS, or where no secret is set that authenticates notifications.
 */
export function notifyingOf(config: Config, simUrl: string | undefined, mailbox: MailboxId): Notifying | undefined {
  const { OUTLOOK_NOTIFICATION_URL: base } = config
  if (!base) return undefined
  // Graph accepts no other address (learn.microsoft.com/graph/api/resources/subscription).
  if (!simUrl && !base.startsWith('https:'))
    throw new MailError(
      'misconfigured',
      'OUTLOOK_NOTIFICATION_URL must begin with https://, for Graph notifies no other address',
    )
  const [key] = stateKeysOf(config)
  if (!key)
    throw new MailError(
      'misconfigured',
      'OUTLOOK_NOTIFICATION_URL is set without a secret that authenticates notifications: set MAILBOXES_KEY or OUTLOOK_CLIENT_STATE',
    )
  return {
    notificationUrl: `${base}${OUTLOOK_PATHS.notifications}`,
    lifecycleUrl: `${base}${OUTLOOK_PATHS.lifecycle}`,
    clientState: clientStateOf(key, mailbox),
  }
}
