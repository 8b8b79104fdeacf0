import { type Envelope, LANES } from '../../shared/envelope.ts'
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
  watchEvents,
} from '../../shared/streams.ts'
import type { AppContext } from '../base/app.ts'
import { dispatchRules, taskOptions } from '../base/task-settings.ts'
import type { Lineage } from '../records/lineage.ts'
import { listedIn, nextPage, readMessages, recordedMailbox, verifiedIn } from './recorded-mailbox.ts'
import { contextIdsOf, recordedPending } from './recorded-pending.ts'

/** The stage context of a dry run: it answers from the records, calls no provider and changes nothing. */
export interface RecordedContext {
  run: StageContext
  /** Outputs that cannot be re-run, because messages they need are no longer cached. */
  notAtHand: Set<string>
}

/** Rebuilds the context in which a batch was handled from its lineage, the recorded entries that followed from it. */
export async function recordedContext(
  app: AppContext,
  batch: Batch<unknown>,
  lineage: Lineage,
  signal: AbortSignal,
): Promise<RecordedContext> {
  const { config, now } = app
  const notAtHand = new Set<string>()
  const hidden = new Set(batch.items.flatMap(item => contextIdsOf(lineage, item).map(({ id }) => id)))
  const verified = batch.items.slice(0, 1).flatMap(item => verifiedIn(lineage, item))
  const ctx: StageContext = {
    mailbox: await recordedMailbox(app, batch, lineage),
    call: { signal, meter: () => undefined },
    cache: {
      touch: ids => cachedThen(app, batch, lineage, ids),
      async get(ids) {
        const wanted = ids.filter(id => !hidden.has(id))
        return readMessages(app, batch.mailbox, wanted)
      },
      put: async () => undefined,
    },
    ledger: {
      begin: event => recordedRun(app, event, lineage),
      // A check that found nothing has no run in the records and no output now.
      peek: async () => ({ state: 'begin' }),
      pendingThreads: (_, limit) => recordedPending(app, batch, { lineage, notAtHand, limit }),
      // The recorded pages hold only ids that were not known.
      known: async () => new Set(),
      suspectAll: async () => undefined,
      suspects: async () => verified,
      threadsOf: async () => new Map(verified.map(({ id, thread }) => [id, thread])),
      // The recorded tasks show which versions were dispatched before.
      dispatched: async () => new Map(),
      versions: async () => ({ dispatched: undefined, sent: undefined }),
    },
    task: taskOptions(config),
    dispatch: { ...dispatchRules(config, now()), debounceMs: 0 },
    now,
  }
  return { run: ctx, notAtHand }
}

/** Returns whether the records still hold everything needed to handle an input as before. */
export async function isReplayable(
  app: AppContext,
  stage: StageName,
  item: Envelope,
  lineage: Lineage,
): Promise<boolean> {
  if (stage === 'list-ids') {
    return [listedIn(lineage, item), verifiedIn(lineage, item)].every(ids => ids.length === (ids[0]?.of ?? 0))
  }
  if (stage !== 'ai-dispatch') return true
  const lost = new Set(contextIdsOf(lineage, item).map(({ id }) => id))
  const needed = (item.body as ThreadChange).ids.filter(id => !lost.has(id))
  return (await readMessages(app, item.mailbox, needed)).size === needed.length
}

// After a run all its messages are cached; the replay needs the state of the cache when the ids passed.
async function cachedThen(
  app: AppContext,
  { mailbox, items }: Batch<unknown>,
  lineage: Lineage,
  ids: readonly MessageId[],
) {
  const { redis, keys } = app
  const cached = await Promise.all(
    ids.map(async id => {
      const places = items.filter(({ body }) => (body as ListedId).id === id)
      if (places.some(place => (lineage.at(cachedMessages.name, place.id)?.body as SettledId)?.fate === 'cached'))
        return true
      // A message that was fetched then counts as missing now too.
      if (places.some(place => lineage.at(missingIds.name, place.id) ?? lineage.at(fetchedMessages.name, place.id)))
        return false
      return (await redis.exists(keys.message(mailbox, id))) === 1
    }),
  )
  return new Set(ids.filter((_, index) => cached[index]))
}

async function recordedRun({ redis, keys }: AppContext, event: Envelope, lineage: Lineage) {
  const [run, record] = await Promise.all([
    readRun(redis, keys, keys.partitionOf(event.mailbox), event.run),
    readMailbox(redis, keys, event.mailbox),
  ])
  if (!run) return undefined
  const next = nextPage(lineage, event)
  const [live] = LANES
  // A first page may list nothing.
  const first =
    lineage.below(messageIds.name, `${event.run}/1`)[0] ?? lineage.at(watchEvents.name, `${event.run}/page/2`)
  return {
    cursor: (next ? next.from : record?.cursor) || undefined,
    synced: first?.lane === live,
    syncedAt: next?.syncedAt,
  }
}
