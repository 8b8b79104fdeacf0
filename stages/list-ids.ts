import { joined } from '../shared/context.ts'
import type { Envelope, Lane } from '../shared/envelope.ts'
import type { Cursor } from '../shared/mailbox.ts'
import { follow, type Outcome, type Run, type Stage } from '../shared/stage.ts'
import { messageIds, type WatchEvent, watchEvents } from '../shared/streams.ts'

type Event = Envelope<WatchEvent>

/** Where a page of a run is listed from; `from` is the mailbox's cursor as the run found it. */
interface Place {
  since: Cursor
  from: Cursor
  token?: string
  window: number
}

/** Turns "this mailbox changed" into the ids of what is new, one listing page at a time. */
export const listIds: Stage<WatchEvent> = {
  name: 'list-ids',
  reads: [watchEvents],
  writes: [messageIds, watchEvents],
  pace: { size: 20, waitMs: 0, concurrency: 3 },

  async handle(batch, run) {
    const [first] = batch.items.filter(item => !item.body.page)
    const outcomes = batch.items
      .filter(item => item.body.page)
      .map(item => listPage(item, item.lane, item.body.page as Place, run))
    // One call answers all the events that came before it.
    if (first) outcomes.push(startRun(first, run))
    return joined(await Promise.all(outcomes))
  },

  bury: (item, error) => ({ facts: [{ fact: 'run-failed', from: item, reason: error.message }] }),
}

async function startRun(event: Event, run: Run): Promise<Outcome<WatchEvent>> {
  const begun = await run.ledger.begin(event)
  if (!begun) return {}
  const cursor = begun.cursor ?? (await run.mailbox.open(run.call)).cursor
  return listPage(event, begun.synced ? 'live' : 'bulk', { since: cursor, from: begun.cursor ?? '', window: 1 }, run)
}

async function listPage(item: Event, lane: Lane, place: Place, run: Run): Promise<Outcome<WatchEvent>> {
  const { since, from, window } = place
  const changes = await run.mailbox.changes(since, place.token, run.call)
  if (changes.reset) {
    const fresh = await run.mailbox.open(run.call)
    return listPage(item, 'bulk', { since: fresh.cursor, from, window }, run)
  }
  const deliveries = changes.ids.map(({ id, thread }, index) =>
    follow(
      item,
      messageIds,
      `${item.run}/${window}/${index}`,
      { id, thread, window: `${window}`, index, of: changes.ids.length },
      run.now(),
      lane,
    ),
  )
  const next = changes.next && { token: changes.next, since, from, window: window + 1 }
  return {
    deliveries,
    facts: [
      ...(deliveries.length > 0
        ? [{ fact: 'window-opened', from: item, window: `${window}`, context: false, items: changes.ids } as const]
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
