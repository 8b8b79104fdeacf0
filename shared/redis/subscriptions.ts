import type { Redis } from 'ioredis'
import type { MailboxId } from '../mailbox.ts'
import type { Subscription, SubscriptionMemory } from '../provider/subscription.ts'
import type { Keys } from './keys.ts'
import { scanHash } from './scan.ts'
import { MAILBOX } from './schema.ts'
import { noteScript } from './scripts.ts'

/** The pending actions of a subscription: renew it, or recreate it because the provider ended it. */
const DUE = ['renew', 'removed'] as const
export type Due = (typeof DUE)[number]

/** A mailbox whose subscription is due. */
export interface DueSubscription {
  id: string
  due: Due
  mailbox: MailboxId
}

/** Creates the memory of a mailbox's subscription; nothing is stored for a mailbox that is not connected. */
export function subscriptionMemory(redis: Redis, keys: Keys, mailbox: MailboxId): SubscriptionMemory {
  return {
    async read() {
      const [id, terms] = await redis.hmget(keys.mailbox(mailbox), MAILBOX.subscription, MAILBOX.subscriptionTerms)
      return id ? { id, terms: terms ?? '' } : undefined
    },

    async write(subscription) {
      const before = await redis.hget(keys.mailbox(mailbox), MAILBOX.subscription)
      const id = subscription?.id
      // The owner is stored first: after an interruption here notifications are accepted, and another subscription is created.
      if (id !== undefined) await redis.hset(keys.subscriptions, id, mailbox)
      const isKept = await noteSubscription(redis, keys, mailbox, subscription)
      if (id !== undefined && !isKept) await redis.hdel(keys.subscriptions, id)
      if (before && before !== id) await redis.hdel(keys.subscriptions, before)
    },
  }
}

/** Returns the mailboxes of these subscriptions by id, without unknown ones. One command. */
export async function subscribersOf(
  redis: Redis,
  keys: Keys,
  ids: readonly string[],
): Promise<ReadonlyMap<string, MailboxId>> {
  if (ids.length === 0) return new Map()
  const found = await redis.hmget(keys.subscriptions, ...ids)
  return new Map(
    ids.flatMap((id, place): [string, MailboxId][] => (found[place] ? [[id, found[place] as MailboxId]] : [])),
  )
}

/** Marks a subscription as due; the mark stays until the action is done. */
export async function markDue(redis: Redis, keys: Keys, id: string, due: Due): Promise<void> {
  await redis.sadd(keys.subscriptionsDue, `${due} ${id}`)
}

/** Returns the due subscriptions, with one command where there are none; marks of unknown subscriptions are dropped. */
export async function readDue(redis: Redis, keys: Keys): Promise<DueSubscription[]> {
  const marks = await redis.smembers(keys.subscriptionsDue)
  const found = await subscribersOf(redis, keys, [...new Set(marks.map(idIn))])
  const idle = marks.filter(mark => !found.has(idIn(mark)))
  if (idle.length > 0) await redis.srem(keys.subscriptionsDue, ...idle)
  return marks.flatMap(mark => {
    const mailbox = found.get(idIn(mark))
    const due = DUE.find(one => mark.startsWith(`${one} `))
    return mailbox && due ? [{ id: idIn(mark), due, mailbox }] : []
  })
}

/** Removes a mark once the action is done or not needed. */
export async function unmarkDue(redis: Redis, keys: Keys, { id, due }: DueSubscription): Promise<void> {
  await redis.srem(keys.subscriptionsDue, `${due} ${id}`)
}

/** Makes the next watch of the mailbox create another subscription, if this one is still current: the provider ended it. */
export async function voidSubscription(redis: Redis, keys: Keys, { mailbox, id }: DueSubscription): Promise<void> {
  const current = await redis.hget(keys.mailbox(mailbox), MAILBOX.subscription)
  if (current === id) await noteSubscription(redis, keys, mailbox, { id, terms: '' })
}

/** Removes every subscription of a removed mailbox, with its marks. */
export async function forgetSubscriptionsOf(redis: Redis, keys: Keys, mailbox: MailboxId): Promise<void> {
  for await (const pairs of scanHash(redis, keys.subscriptions)) {
    const gone = pairs.filter(([, owner]) => owner === mailbox).map(([id]) => id)
    if (gone.length === 0) continue
    await redis.hdel(keys.subscriptions, ...gone)
    await redis.srem(keys.subscriptionsDue, ...gone.flatMap(id => DUE.map(due => `${due} ${id}`)))
  }
}

async function noteSubscription(
  redis: Redis,
  keys: Keys,
  mailbox: MailboxId,
  subscription: Subscription | undefined,
): Promise<boolean> {
  const { subscription: id, subscriptionTerms: terms } = MAILBOX
  const fields = subscription ? [id, subscription.id, terms, subscription.terms] : []
  const forget = subscription ? [] : [id, terms]
  return (await noteScript(redis, [keys.mailbox(mailbox)], [fields.length / 2, ...fields, ...forget])) === 1
}

function idIn(mark: string): string {
  return mark.slice(mark.indexOf(' ') + 1)
}
