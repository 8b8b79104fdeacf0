import type { Redis } from 'ioredis'
import type { MailboxId } from '../mailbox.ts'
import type { Subscription, SubscriptionMemory } from '../provider/subscription.ts'
import type { Keys } from './keys.ts'
import { scanHash } from './scan.ts'
import { noteScript } from './scripts.ts'

/** What has to be done to a subscription: prolonged, or made anew because the provider ended it. */
const DUE = ['renew', 'removed'] as const
export type Due = (typeof DUE)[number]

/** A mailbox whose subscription is to be seen to now. */
export interface DueSubscription {
  id: string
  due: Due
  mailbox: MailboxId
}

/** Remembers the subscription of a mailbox; of one that is not connected, nothing is kept. */
export function subscriptionMemory(redis: Redis, keys: Keys, mailbox: MailboxId): SubscriptionMemory {
  return {
    async read() {
      const [id, terms] = await redis.hmget(keys.mailbox(mailbox), 'subscription', 'subscriptionTerms')
      return id ? { id, terms: terms ?? '' } : undefined
    },

    async write(subscription) {
      const before = await redis.hget(keys.mailbox(mailbox), 'subscription')
      const id = subscription?.id
      // Whose notifications they are comes first: interrupted here, they are taken in, and another subscription is made.
      if (id !== undefined) await redis.hset(keys.subscriptions, id, mailbox)
      const isKept = await noteSubscription(redis, keys, mailbox, subscription)
      if (id !== undefined && !isKept) await redis.hdel(keys.subscriptions, id)
      if (before && before !== id) await redis.hdel(keys.subscriptions, before)
    },
  }
}

/** Whose subscriptions these are, by id; those that nobody knows are left out. One command. */
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

/** Marks that a subscription is to be seen to; it stays marked until that is done. */
export async function markDue(redis: Redis, keys: Keys, id: string, due: Due): Promise<void> {
  await redis.sadd(keys.subscriptionsDue, `${due} ${id}`)
}

/** What is marked, in one command where nothing is; marks of subscriptions that nobody has any more are dropped. */
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

/** Takes a mark away: it was seen to, or need not be. */
export async function unmarkDue(redis: Redis, keys: Keys, { id, due }: DueSubscription): Promise<void> {
  await redis.srem(keys.subscriptionsDue, `${due} ${id}`)
}

/** Has another subscription made when the mailbox is watched next, if it has this one still: the provider ended it. */
export async function voidSubscription(redis: Redis, keys: Keys, { mailbox, id }: DueSubscription): Promise<void> {
  const held = await redis.hget(keys.mailbox(mailbox), 'subscription')
  if (held === id) await noteSubscription(redis, keys, mailbox, { id, terms: '' })
}

/** Forgets every subscription of a mailbox that is removed, and that it was to be seen to. */
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
  const fields = subscription ? ['subscription', subscription.id, 'subscriptionTerms', subscription.terms] : []
  const forget = subscription ? [] : ['subscription', 'subscriptionTerms']
  return (await noteScript(redis, [keys.mailbox(mailbox)], [fields.length / 2, ...fields, ...forget])) === 1
}

function idIn(mark: string): string {
  return mark.slice(mark.indexOf(' ') + 1)
}
