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
import type { Message, MessageId } from '../../shared/message.ts'
import { asWanted, unpackMessage } from '../../shared/redis/cached-message.ts'
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

/** The error for a message that only the provider could supply: the comparison leaves its input out. */
export const NOT_CACHED = new MailError(
  'unavailable',
  'the message is no longer cached, and a replay calls no provider',
)

/** Methods of a recorded mailbox that always throw: it cannot be watched or probed. */
export const UNWATCHED: Pick<Mailbox, 'probe' | 'watch' | 'stop'> = { probe: refuse, watch: refuse, stop: refuse }

async function refuse(): Promise<never> {
  throw new MailError('unsupported', 'a replay calls no provider')
}

/** Creates a mailbox that answers from the records: the page of one watch event, and fetched messages that are still cached. */
export async function recordedMailbox(
  app: AppContext,
  { mailbox, items }: Batch<unknown>,
  lineage: Lineage,
): Promise<Mailbox> {
  const [item] = items
  const next = item && nextPage(lineage, item)
  const cursor = (await readMailbox(app.redis, app.keys, mailbox))?.cursor ?? ''

  return {
    ...UNWATCHED,
    open: async () => ({ address: addressOf(mailbox), cursor: next?.since ?? cursor }),

    async changes(since, page): Promise<Changes> {
      const nothing = { gone: [], labels: [], left: item ? verifiedIn(lineage, item).map(({ id }) => id) : [] }
      // Listing continued from another cursor because the first one had expired.
      if (next && page === undefined && since !== next.since) return { ids: [], ...nothing, reset: true }
      const ids = item ? listedIn(lineage, item).map(asListed) : []
      if (next?.verifyThen !== undefined) return { ids, ...nothing, present: [], cursor: next.verifyThen }
      return { ids, ...nothing, ...(next ? { next: next.token } : { cursor }) }
    },

    async fetch(wanted) {
      const cached = await readMessages(
        app,
        mailbox,
        wanted.map(({ id }) => id),
      )
      return new Map(wanted.map(({ id }): [MessageId, Fetched] => [id, fetchedThen(id, cached.get(id))]))
    },
  }

  function fetchedThen(id: MessageId, message: Message | undefined): Fetched {
    const place = items.find(({ body }) => (body as ListedId).id === id)
    const settled = place && (lineage.at(fetchedMessages.name, place.id)?.body as SettledId | undefined)
    if (settled?.fate === 'gone') return { outcome: 'gone' }
    if (settled?.fate === 'filtered') return { outcome: 'filtered', reason: settled.reason ?? '' }
    if (settled?.fate === 'dead' || settled?.fate === 'deferred')
      return { outcome: 'failed', error: new MailError('rejected', settled.reason ?? '') }
    return message ? { outcome: 'ok', message } : { outcome: 'failed', error: NOT_CACHED }
  }
}

function asListed({ id, thread, filtered, verify }: ListedId): Listed {
  return { id, thread, ...(filtered === undefined ? {} : { filtered }), ...(verify ? { verify } : {}) }
}

/** Returns the ids that a watch event listed, in listing order. */
export function listedIn(lineage: Lineage, item: Envelope): ListedId[] {
  return idsBelow(lineage, messageIds.name, `${item.run}/${windowOf(item.body)}`)
}

/** Returns the messages that a watch event verified, in the order of the requests. */
export function verifiedIn(lineage: Lineage, item: Envelope): ListedId[] {
  return idsBelow(lineage, missingIds.name, verificationOf(item))
}

/** Returns the ids below an entry id in a stream of ids, by position. */
export function idsBelow(lineage: Lineage, stream: string, id: string): ListedId[] {
  return lineage
    .below(stream, id)
    .map(({ body }) => body as ListedId)
    .sort((a, b) => a.index - b.index)
}

/** Returns the page that follows a watch event, if there was one. */
export function nextPage(lineage: Lineage, item: Envelope): WatchEvent['page'] {
  const entry = lineage.at(watchEvents.name, `${item.run}/page/${windowOf(item.body) + 1}`)
  return (entry?.body as WatchEvent | undefined)?.page
}

/** Reads cached messages, with their texts if the settings want them, without extending their TTL. */
export async function readMessages(
  { redis, keys, config }: Pick<AppContext, 'redis' | 'keys' | 'config'>,
  mailbox: MailboxId,
  ids: readonly MessageId[],
): Promise<Map<MessageId, Message>> {
  const cached = await Promise.all(
    ids.map(async id => {
      const packed = await redis.get(keys.message(mailbox, id))
      const message = packed === null ? undefined : await unpackMessage(packed)
      return message && asWanted(message, config.MESSAGE_BODY === 'text')
    }),
  )
  return new Map(cached.flatMap((message): [MessageId, Message][] => (message ? [[message.id, message]] : [])))
}
