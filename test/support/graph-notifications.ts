import type { AppContext } from '../../pipeline/base/app.ts'
import type { MailboxId } from '../../shared/mailbox.ts'
import { clientStateKeys, clientStateOf } from '../../shared/outlook/client-state.ts'
import { connectMailbox } from '../../shared/redis/mailboxes.ts'
import { subscriptionMemory } from '../../shared/redis/subscriptions.ts'

/** The secret behind the clientStates of tests. */
export const CLIENT_STATE = 'a secret of the tests, long enough'
export const BO: MailboxId = 'outlook:bo@example.com'
export const CY: MailboxId = 'outlook:cy@example.com'

const [KEY = Buffer.alloc(0)] = clientStateKeys({ secret: CLIENT_STATE, sealingKeys: [] })

/** Returns the clientState of a mailbox's subscription. */
export function stateOf(mailbox: MailboxId): string {
  return clientStateOf(KEY, mailbox)
}

/** Connects a mailbox and stores a subscription for it. */
export async function subscribe(
  app: Pick<AppContext, 'redis' | 'keys'>,
  mailbox: MailboxId,
  id: string,
): Promise<void> {
  const { redis, keys } = app
  await connectMailbox(redis, keys, mailbox, 'history:1', 0)
  await subscriptionMemory(redis, keys, mailbox).write({ id, terms: 'terms' })
}

let versions = 0

/** Builds a change notification as Graph posts it, for a new change each time. */
export function changeOf(subscriptionId: string, clientState: unknown, more: object = {}): object {
  versions += 1
  return {
    subscriptionId,
    subscriptionExpirationDateTime: '2026-11-30T09:30:00.0000000Z',
    clientState,
    changeType: 'updated',
    resource: 'Users/1f0c/Messages/AAMk1',
    tenantId: '84bd8158-6d4d-4958-8b9f-9d6445542f95',
    resourceData: {
      '@odata.type': '#Microsoft.Graph.Message',
      '@odata.id': 'Users/1f0c/Messages/AAMk1',
      '@odata.etag': `W/"${versions}"`,
      id: 'AAMk1',
    },
    ...more,
  }
}

/** Builds a lifecycle notification of a subscription. */
export function lifecycleOf(subscriptionId: string, clientState: string, lifecycleEvent: string): object {
  const subscriptionExpirationDateTime = '2026-11-30T09:30:00.0000000Z'
  return { subscriptionId, subscriptionExpirationDateTime, tenantId: '84bd8158', clientState, lifecycleEvent }
}
