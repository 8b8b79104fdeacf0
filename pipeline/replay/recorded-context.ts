import { type Envelope, LANES } from '../../shared/envelope.ts'
import type { PendingThread } from '../../shared/fact.ts'
import type { MessageId } from '../../shared/message.ts'
import { readMailbox } from '../../shared/redis/mailboxes.ts'
import { readRun } from '../../shared/redis/runs.ts'
import type { Batch, StageContext, StageName } from '../../shared/stage.ts'
import {
  cachedMessages,
  fetchedMessages,
  type ListedId,
  messageIds,
  missingIds,
  type SettledId,
  type ThreadChange,
  threads,
  watchEvents,
} from '../../shared/streams.ts'
import type { AppContext } from '../base/app.ts'
import { contextOf, type Lineage } from '../records/lineage.ts'
import { grouped } from '../records/recorded.ts'
import { idsBelow, listedIn, nextPage, readMessages, recordedMailbox, verifiedIn } from './recorded-mailbox.ts'

/** What a rehearsed handler works with: it answers as the records say it was then, asks no provider and changes nothing. */
export interface RecordedContext {
  run: StageContext
  /** Outputs that cannot be rehearsed, because mail they need has left the cache since. */
  notAtHand: Set<string>
}

/** The world in which a batch was handled, as far as `then`, what followed from the batch, tells. */
export async function recordedContext(
  app: AppContext,
  batch: Batch<unknown>,
  then: Lineage,
  signal: AbortSignal,
): Promise<RecordedContext> {
  const { config, now } = app
  const notAtHand = new Set<string>()
  const hidden = new Set(batch.items.flatMap(item => contextIn(then, item).map(({ id }) => id)))
  const verified = batch.items.slice(0, 1).flatMap(item => verifiedIn(then, item))
  const ctx: StageContext = {
    mailbox: await recordedMailbox(app, batch, then),
    call: { signal, meter: () => undefined },
    cache: {
      touch: ids => heldThen(app, batch, then, ids),
      async get(ids) {
        const wanted = ids.filter(id => !hidden.has(id))
        return readMessages(app, batch.mailbox, wanted)
      },
      put: async () => undefined,
    },
    ledger: {
      begin: event => begun(app, event, then),
      // A look that found nothing has no run in the records, and nothing follows from it now.
      peek: async () => ({ state: 'begin' }),
      pendingThreads: (_, limit) => pendingThen(app, batch, { then, notAtHand, limit }),
      // The recorded pages hold what was not known, and no more.
      known: async () => new Set(),
      suspectAll: async () => undefined,
      suspects: async () => verified,
      threadsOf: async () => new Map(verified.map(({ id, thread }) => [id, thread])),
      // Whether a version was dispatched before is judged from the recorded tasks.
      dispatched: async () => new Map(),
    },
    task: { tokens: config.TASK_TOKENS, promptVersion: config.PROMPT_VERSION, model: config.AI_MODEL },
    now,
  }
  return { run: ctx, notAtHand }
}

/** Whether the records still hold what is needed to handle an input as it was handled then. */
export async function isAtHand(app: AppContext, stage: StageName, item: Envelope, then: Lineage): Promise<boolean> {
  if (stage === 'list-ids') {
    return [listedIn(then, item), verifiedIn(then, item)].every(ids => ids.length === (ids[0]?.of ?? 0))
  }
  if (stage !== 'ai-dispatch') return true
  const lost = new Set(contextIn(then, item).map(({ id }) => id))
  const needed = (item.body as ThreadChange).ids.filter(id => !lost.has(id))
  return (await readMessages(app, item.mailbox, needed)).size === needed.length
}

// The mail that an input asked to be fetched again for its threads, in the order it was asked for.
function contextIn(then: Lineage, item: Envelope): ListedId[] {
  return idsBelow(then, missingIds.name, contextOf(item))
}

// All of a run's messages are in the cache once it is over; what counts is what was there when the ids came by.
async function heldThen(app: AppContext, { mailbox, items }: Batch<unknown>, then: Lineage, ids: readonly MessageId[]) {
  const { redis, keys } = app
  const held = await Promise.all(
    ids.map(async id => {
      const places = items.filter(({ body }) => (body as ListedId).id === id)
      if (places.some(place => (then.at(cachedMessages.name, place.id)?.body as SettledId)?.fate === 'cached'))
        return true
      // What was fetched then is answered from the records too.
      if (places.some(place => then.at(missingIds.name, place.id) ?? then.at(fetchedMessages.name, place.id)))
        return false
      return (await redis.exists(keys.message(mailbox, id))) === 1
    }),
  )
  return new Set(ids.filter((_, index) => held[index]))
}

async function begun({ redis, keys }: AppContext, event: Envelope, then: Lineage) {
  const [run, record] = await Promise.all([
    readRun(redis, keys, keys.partitionOf(event.mailbox), event.run),
    readMailbox(redis, keys, event.mailbox),
  ])
  if (!run) return undefined
  const next = nextPage(then, event)
  const [live] = LANES
  // A first page may list nothing.
  const first = then.below(messageIds.name, `${event.run}/1`)[0] ?? then.at(watchEvents.name, `${event.run}/page/2`)
  return {
    cursor: (next ? next.from : record?.cursor) || undefined,
    synced: first?.lane === live,
    syncedAt: next?.syncedAt,
  }
}

// The threads that a release let go or asked context for are those that were waiting for it.
async function pendingThen(
  app: AppContext,
  { mailbox, items }: Batch<unknown>,
  { then, notAtHand, limit }: { then: Lineage; notAtHand: Set<string>; limit: number },
): Promise<PendingThread[]> {
  const [item] = items
  if (!item) return []
  const out = then.below(threads.name, item.id)
  const changes = out.map(({ body }) => body as ThreadChange)
  const held = await readMessages(
    app,
    mailbox,
    changes.flatMap(({ ids }) => ids),
  )
  const pending: PendingThread[] = []
  // Nothing can come meanwhile.
  const nothing = { ids: [], fresh: [], omitted: [], seen: '', contextAsked: true, cameBack: true, known: true }
  for (const [index, { thread, ids, fresh, older, omitted, reason }] of changes.entries()) {
    if (ids.every(id => held.has(id)))
      pending.push({ ...nothing, thread, ids: ids.toReversed(), fresh, older, omitted, known: reason !== 'new' })
    else notAtHand.add(out[index]?.id ?? '')
  }
  const lost = grouped(contextIn(then, item), ({ thread }) => thread)
  for (const [thread, gone] of lost) {
    const ids = gone.map(({ id }) => id)
    pending.push({ ...nothing, thread, ids, contextAsked: false, cameBack: false, known: false })
  }
  // A release counts the threads it let go of without a word too, for nothing of them was left.
  const silent = Math.max(0, (changes[0]?.part.of ?? 0) - pending.length + lost.size)
  pending.push(...Array.from({ length: silent }, (_, index) => ({ thread: `silent:${index}`, ...nothing })))
  return pending.slice(0, limit)
}
