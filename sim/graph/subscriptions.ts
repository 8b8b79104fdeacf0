import { randomUUID } from 'node:crypto'
import type { Account } from './account.ts'
import type { Logged, MessageChange } from './change-log.ts'
import { TENANT_ID } from './discovery.ts'
import { badRequest, GraphError } from './error.ts'
import { etagOf, messageId } from './message.ts'
import type { Notifications } from './notify.ts'
import { type ChangeType, readRenewal, type Subscription } from './subscription.ts'

/**
 * The lifecycle events of a subscription (learn.microsoft.com/graph/change-notifications-lifecycle-events).
 */
export const LIFECYCLE_EVENTS = ['reauthorizationRequired', 'subscriptionRemoved', 'missed'] as const
export type LifecycleEvent = (typeof LIFECYCLE_EVENTS)[number]

/** The subscriptions of a simulator. They expire by its clock, without notification. */
export interface Subscriptions {
  /** Creates a subscription after its addresses validate it; throws a 400 if they do not. */
  create(settings: Omit<Subscription, 'id'>): Promise<Subscription>
  /** Returns the subscriptions of one owner, or all; an `undefined` address means any application. */
  list(owner: { address: string | undefined } | 'all'): readonly Subscription[]
  /** Throws a 404 if there is none, or it belongs to another owner. */
  find(id: string, owner: { address: string | undefined }): Subscription
  renew(subscription: Subscription, body: unknown): void
  remove(subscription: Subscription): void
  /** Notifies the owners of a mailbox's subscriptions, or of all; `subscriptionRemoved` also removes them. */
  notify(event: LifecycleEvent, address?: string): void
  /** Expires the subscriptions of a mailbox, or all, now. */
  lapse(address?: string): void
}

/** Creates an empty set of subscriptions that notifies subscribers of every change of the accounts. */
export function createSubscriptions(
  accounts: ReadonlyMap<string, Account>,
  { notifications, now }: { notifications: Notifications; now: () => number },
): Subscriptions {
  const byId = new Map<string, Subscription>()

  const active = () => {
    for (const { id, expiresAtMs } of byId.values()) if (expiresAtMs <= now()) byId.delete(id)
    return [...byId.values()]
  }
  const ofMailbox = (address?: string) =>
    active().filter(one => address === undefined || one.address === address.toLowerCase())

  const notifyOne = (subscription: Subscription, lifecycleEvent: LifecycleEvent) => {
    const { lifecycleNotificationUrl: url } = subscription
    if (url !== undefined) notifications.publish(url, { ...headOf(subscription), lifecycleEvent })
  }

  const notify = (account: Account, change: Logged<MessageChange>) => {
    for (const subscription of ofMailbox(account.address)) {
      for (const seen of changesFor(subscription, change)) {
        if (!subscription.changeTypes.includes(seen.changeType)) continue
        const givenUp = () => {
          if (byId.has(subscription.id)) notifyOne(subscription, 'missed')
        }
        const notification = { ...headOf(subscription), ...dataOf(account, subscription, { ...change, ...seen }) }
        notifications.publish(subscription.notificationUrl, notification, givenUp)
      }
    }
  }

  for (const account of accounts.values()) account.changes.listen(change => notify(account, change))

  return {
    async create(settings) {
      for (const url of [settings.notificationUrl, settings.lifecycleNotificationUrl]) {
        if (url === undefined) continue
        if (!notifications.reaches(url))
          throw badRequest(
            `Notifications leave the simulator to this machine only, not to ${url.slice(0, 200)}.`,
            'ValidationError',
          )
        const token = `Validation: Testing client application reachability for subscription Request-Id: ${randomUUID()}`
        if (await notifications.validate(url, token)) continue
        throw badRequest(
          'Subscription validation request failed. Notification endpoint must respond with 200 OK to validation request.',
          'ValidationError',
        )
      }
      const subscription = { ...settings, id: randomUUID() }
      byId.set(subscription.id, subscription)
      return subscription
    },
    list: owner => active().filter(one => owner === 'all' || one.owner === owner.address),
    find(id, owner) {
      const found = active().find(one => one.id === id.toLowerCase() && one.owner === owner.address)
      if (found) return found
      throw new GraphError(404, 'ResourceNotFound', 'The object was not found.')
    },
    renew(subscription, body) {
      subscription.expiresAtMs = readRenewal(body, now())
    },
    remove: ({ id }) => byId.delete(id),
    notify(event, address) {
      for (const subscription of ofMailbox(address)) {
        notifyOne(subscription, event)
        if (event === 'subscriptionRemoved') byId.delete(subscription.id)
      }
    },
    lapse(address) {
      for (const { id } of ofMailbox(address)) byId.delete(id)
    },
  }
}

interface SubscriberChange {
  changeType: ChangeType
  moves: number
}

/**
 * Returns a change as its subscribers see it. A move is a removal and a creation, unless it keeps its id and
 * all folders are watched.
 */
function changesFor({ folder, immutableIds }: Subscription, change: Logged<MessageChange>): SubscriberChange[] {
  const { kind, folder: from, to, moves } = change
  const watches = ({ index }: { index: number }) => folder === undefined || folder === index
  if (kind !== 'moved') {
    const changeType = kind === 'created' || kind === 'deleted' ? kind : 'updated'
    return watches(from) ? [{ changeType, moves }] : []
  }
  if (folder === undefined && immutableIds) return [{ changeType: 'updated', moves: moves + 1 }]
  return [
    ...(watches(from) ? [{ changeType: 'deleted' as const, moves }] : []),
    ...(watches(to) ? [{ changeType: 'created' as const, moves: moves + 1 }] : []),
  ]
}

function headOf({ id, expiresAtMs, clientState }: Subscription) {
  return {
    subscriptionId: id,
    subscriptionExpirationDateTime: new Date(expiresAtMs).toISOString(),
    ...(clientState === undefined ? {} : { clientState }),
    tenantId: TENANT_ID,
  }
}

function dataOf(
  account: Account,
  { immutableIds }: Subscription,
  { entry, changeType, moves }: Logged<MessageChange> & SubscriberChange,
) {
  const id = messageId(entry, account, { immutableIds, moves })
  const resource = `Users/${account.ids.user}/Messages/${id}`
  return {
    id: randomUUID(),
    changeType,
    resource,
    resourceData: {
      '@odata.type': '#Microsoft.Graph.Message',
      '@odata.id': resource,
      '@odata.etag': etagOf(entry, account),
      id,
    },
  }
}
