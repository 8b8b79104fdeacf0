import type { Envelope } from '../../shared/envelope.ts'
import { MailError } from '../../shared/error.ts'
import {
  addressOf,
  type Changes,
  type Fetched,
  type Listed,
  type Mailbox,
  type MailboxId,
} from '../../shared/mailbox.ts'
import { type Message, type MessageId, parseMessage } from '../../shared/message.ts'
import { readMailbox } from '../../shared/redis/mailboxes.ts'
import type { Batch } from '../../shared/stage.ts'
import {
  fetchedMessages,
  type ListedId,
  messageIds,
  missingIds,
  type SettledId,
  type WatchEvent,
  watchEvents,
} from '../../shared/streams.ts'
import type { AppContext } from '../base/app.ts'
import { type Lineage, verificationOf, windowOf } from '../records/lineage.ts'

/** Says that the provider would have to be asked for a message: the input is left out of the comparison. */
export const NOT_AT_HAND = new MailError(
  'unavailable',
  'the message has left the cache since, and nobody is asked for it',
)

/** A mailbox in the records cannot be watched or probed. */
export const UNWATCHED: Pick<Mailbox, 'probe' | 'watch' | 'stop'> = { probe: refuse, watch: refuse, stop: refuse }

async function refuse(): Promise<never> {
  throw new MailError('unsupported', 'what is replayed asks no provider')
}

/** The provider of a batch as the records have it: one watch event's page, and what was fetched then and is cached still. */
export async function recordedMailbox(
  app: AppContext,
  { mailbox, items }: Batch<unknown>,
  then: Lineage,
): Promise<Mailbox> {
  const [item] = items
  const next = item && nextPage(then, item)
  const cursor = (await readMailbox(app.redis, app.keys, mailbox))?.cursor ?? ''

  return {
    ...UNWATCHED,
    open: async () => ({ address: addressOf(mailbox), cursor: next?.since ?? cursor }),

    async changes(since, page): Promise<Changes> {
      const nothing = { gone: [], labels: [], left: item ? verifiedIn(then, item).map(({ id }) => id) : [] }
      // Listing went on from another cursor than it began with: that one had expired.
      if (next && page === undefined && since !== next.since) return { ids: [], ...nothing, reset: true }
      const ids = item ? listedIn(then, item).map(asListed) : []
      if (next?.verifyThen !== undefined) return { ids, ...nothing, present: [], cursor: next.verifyThen }
      return { ids, ...nothing, ...(next ? { next: next.token } : { cursor }) }
    },

    async fetch(wanted) {
      const held = await readMessages(
        app,
        mailbox,
        wanted.map(({ id }) => id),
      )
      return new Map(wanted.map(({ id }): [MessageId, Fetched] => [id, fetchedThen(id, held.get(id))]))
    },
  }

  function fetchedThen(id: MessageId, message: Message | undefined): Fetched {
    const place = items.find(({ body }) => (body as ListedId).id === id)
    const settled = place && (then.at(fetchedMessages.name, place.id)?.body as SettledId | undefined)
    if (settled?.fate === 'gone') return { outcome: 'gone' }
    if (settled?.fate === 'filtered') return { outcome: 'filtered', reason: settled.reason ?? '' }
    if (settled?.fate === 'dead' || settled?.fate === 'deferred')
      return { outcome: 'failed', error: new MailError('rejected', settled.reason ?? '') }
    return message ? { outcome: 'ok', message } : { outcome: 'failed', error: NOT_AT_HAND }
  }
}

function asListed({ id, thread, filtered, verify }: ListedId): Listed {
  return { id, thread, ...(filtered === undefined ? {} : { filtered }), ...(verify ? { verify } : {}) }
}

/** The page of ids that a watch event listed, in listing order. */
export function listedIn(then: Lineage, item: Envelope): ListedId[] {
  return idsBelow(then, messageIds.name, `${item.run}/${windowOf(item.body)}`)
}

/** The messages that a watch event had verified, in the order they were asked for. */
export function verifiedIn(then: Lineage, item: Envelope): ListedId[] {
  return idsBelow(then, missingIds.name, verificationOf(item))
}

/** The ids that lie below this one in a stream of ids, by their places. */
export function idsBelow(then: Lineage, stream: string, id: string): ListedId[] {
  return then
    .below(stream, id)
    .map(({ body }) => body as ListedId)
    .sort((a, b) => a.index - b.index)
}

/** The page that a watch event's listing went on with, if there was one. */
export function nextPage(then: Lineage, item: Envelope): WatchEvent['page'] {
  const entry = then.at(watchEvents.name, `${item.run}/page/${windowOf(item.body) + 1}`)
  return (entry?.body as WatchEvent | undefined)?.page
}

/** Messages that the cache holds, read without keeping them any longer. */
export async function readMessages(
  { redis, keys }: Pick<AppContext, 'redis' | 'keys'>,
  mailbox: MailboxId,
  ids: readonly MessageId[],
): Promise<Map<MessageId, Message>> {
  const texts = await Promise.all(ids.map(id => redis.get(keys.message(mailbox, id))))
  return new Map(
    texts.flatMap((text): [MessageId, Message][] => {
      const message = text === null ? undefined : parseMessage(text)
      return message ? [[message.id, message]] : []
    }),
  )
}
