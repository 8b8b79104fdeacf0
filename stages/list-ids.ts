import { countThreads, keepThreads } from '../shared/by-thread.ts'
import { joined } from '../shared/context.ts'
import type { Envelope, Lane } from '../shared/envelope.ts'
import type { Cursor } from '../shared/mailbox.ts'
import { follow, type Outcome, type Run, type Stage } from '../shared/stage.ts'
import { messageIds, type WatchEvent, watchEvents } from '../shared/streams.ts'

type Event = Envelope<WatchEvent>

/** Where a page of a run is listed from; `from` is the mailbox's cursor as the run found it, `syncedAt` when it last moved. */
interface Place {
  since: Cursor
  from: Cursor
  token?: string | undefined
  syncedAt?: number | undefined
  window: number
}

/** Turns "this mailbox changed" into the ids of what is new, one listing page at a time. */
export const listIds: Stage<WatchEvent> = {
  name: 'list-ids',
  reads: [watchEvents],
  writes: [messageIds, watchEvents],
  pace: { size: 20, waitMs: 0, concurrency: 3 },

  async handle(batch, run) {
    const pages = batch.items.flatMap(item => (item.body.page ? [listPage(item, item.lane, item.body.page, run)] : []))
    const started = startRun(
      batch.items.filter(item => !item.body.page),
      run,
    )
    return joined(await Promise.all([...pages, started]))
  },

  bury: (item, error) => ({ facts: [{ fact: 'run-failed', from: item, reason: error.message }] }),
}

// One call answers all the events that came before it; where another run is active, its end answers them.
async function startRun(events: readonly Event[], run: Run): Promise<Outcome<WatchEvent>> {
  for (const event of events) {
    const begun = await run.ledger.begin(event)
    if (!begun) continue
    const { synced, syncedAt } = begun
    const since = begun.cursor ?? (await run.mailbox.open(run.call)).cursor
    const place = { since, from: begun.cursor ?? '', window: 1, ...(syncedAt === undefined ? {} : { syncedAt }) }
    return listPage(event, synced ? 'live' : 'bulk', place, run)
  }
  return {}
}

async function listPage(item: Event, lane: Lane, place: Place, run: Run): Promise<Outcome<WatchEvent>> {
  const { since, from, window } = place
  const changes = await run.mailbox.changes(since, place.token, run.call)
  if (changes.reset) {
    // What came since the cursor last moved is listed, however much it is.
    const fresh = await run.mailbox.open(run.call, place.syncedAt)
    return listPage(item, 'bulk', { since: fresh.cursor, from, window, syncedAt: place.syncedAt }, run)
  }
  // Beside each other, messages of a thread come into one batch and can be fetched as one.
  const ids = keepThreads(changes.ids)
  const ofThread = countThreads(ids)
  const deliveries = ids.map(({ id, thread }, index) =>
    follow(
      item,
      messageIds,
      `${item.run}/${window}/${index}`,
      { id, thread, window: `${window}`, index, of: ids.length, ofThread: ofThread(thread) },
      run.now(),
      lane,
    ),
  )
  const { syncedAt } = place
  const next = changes.next && {
    token: changes.next,
    since,
    from,
    window: window + 1,
    ...(syncedAt === undefined ? {} : { syncedAt }),
  }
  return {
    deliveries,
    facts: [
      ...(deliveries.length > 0
        ? [{ fact: 'window-opened', from: item, window: `${window}`, context: false, items: ids } as const]
        : []),
      ...(changes.cursor === undefined
        ? []
        : [{ fact: 'cursor-moved', from: item, was: from, to: changes.cursor } as const]),
      next
        ? {
            fact: 'page-listed',
            from: item,
            next: follow(
              item,
              watchEvents,
              `${item.run}/page/${next.window}`,
              { cause: 'page', page: next },
              run.now(),
              lane,
            ),
          }
        : { fact: 'page-listed', from: item },
    ],
  }
}
