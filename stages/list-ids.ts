import { lookAgain, newestAnnounced } from '../shared/announced.ts'
import { countThreads, keepThreads } from '../shared/by-thread.ts'
import { followChanges } from '../shared/changes.ts'
import { askVerification, joined } from '../shared/context.ts'
import type { Envelope, Lane } from '../shared/envelope.ts'
import type { Fact } from '../shared/fact.ts'
import type { Changes, Cursor, Listed } from '../shared/mailbox.ts'
import { follow, type Outcome, type Run, type Stage } from '../shared/stage.ts'
import { messageIds, missingIds, type WatchEvent, watchEvents } from '../shared/streams.ts'

type Event = Envelope<WatchEvent>

/** Where a page of a run is listed from; `from` is the mailbox's cursor as the run found it, `syncedAt` when it last moved. */
interface Place {
  since: Cursor
  from: Cursor
  token?: string | undefined
  syncedAt?: number | undefined
  verifyThen?: Cursor | undefined
  window: number
  /** The history id that notifications named, and when the run that is to reach it began. */
  announced?: string | undefined
  begunAt?: number | undefined
}

const SUSPECTS_A_PAGE = 500

/** Turns "this mailbox changed" into the ids of what is new, one listing page at a time, and says what is gone and relabelled. */
export const listIds: Stage<WatchEvent> = {
  name: 'list-ids',
  reads: [watchEvents],
  writes: [messageIds, missingIds, watchEvents],
  pace: { size: 20, waitMs: 0, concurrency: 3 },

  async handle(batch, run) {
    const pages = batch.items.flatMap(item => (item.body.page ? [goOn(item, item.body.page, run)] : []))
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
    const begun = await run.ledger.begin(event, newestAnnounced(events))
    if (!begun) continue
    const { cursor, synced, ...rest } = begun
    const since = cursor ?? (await run.mailbox.open(run.call)).cursor
    return listPage(event, synced ? 'live' : 'bulk', { ...rest, since, from: cursor ?? '', window: 1 }, run)
  }
  return {}
}

function goOn(item: Event, place: Place, run: Run): Promise<Outcome<WatchEvent>> {
  const { verifyThen } = place
  return verifyThen === undefined ? listPage(item, item.lane, place, run) : verify(item, place, verifyThen, run)
}

async function listPage(item: Event, lane: Lane, place: Place, run: Run): Promise<Outcome<WatchEvent>> {
  const { since, syncedAt, window, announced, begunAt } = place
  const changes = await run.mailbox.changes(since, place.token, run.call)
  const again = lookAgain(item, changes, { announced, begunAt, now: run.now() })
  if (again?.failed) return again
  if (changes.reset) {
    // What came since the cursor last moved is listed, however much it is; what went meanwhile is found by what is there.
    await run.ledger.suspectAll(item.run)
    const fresh = await run.mailbox.open(run.call, syncedAt)
    return listPage(item, 'bulk', { ...place, since: fresh.cursor, token: undefined }, run)
  }
  const { deliveries, facts } = openWindow(item, lane, window, await unknownIn(changes, run), run)
  return {
    deliveries: [...deliveries, ...(again?.deliveries ?? [])],
    facts: [
      ...(await followChanges(item, changes, window, run)),
      ...facts,
      ...(changes.present ? [cleared(item, changes.present)] : []),
      ...after(item, lane, place, changes, run),
    ],
  }
}

// What is known need not be read again because the provider has forgotten when it came.
async function unknownIn({ ids, overlaps }: Changes, run: Run): Promise<readonly Listed[]> {
  if (!overlaps) return ids
  const known = await run.ledger.known(ids)
  return ids.filter(({ id }) => !known.has(id))
}

function openWindow(item: Event, lane: Lane, window: number, listed: readonly Listed[], run: Run) {
  if (listed.length === 0) return { deliveries: [], facts: [] }
  // Beside each other, messages of a thread come into one batch and can be fetched as one.
  const ids = keepThreads(listed)
  const ofThread = countThreads(ids.filter(({ filtered }) => filtered === undefined))
  const deliveries = ids.map((one, index) => {
    const body = { ...one, window: `${window}`, index, of: ids.length, ofThread: ofThread(one.thread) }
    return follow(item, messageIds, `${item.run}/${window}/${index}`, body, run.now(), lane)
  })
  const fact: Fact = { fact: 'window-opened', from: item, window: `${window}`, context: false, items: ids }
  return { deliveries, facts: [fact] }
}

function cleared(item: Event, present: readonly Listed[]): Fact {
  return { fact: 'suspects-cleared', from: item, ids: present.map(({ id }) => id) }
}

function after(item: Event, lane: Lane, place: Place, { next, cursor, present }: Changes, run: Run): Fact[] {
  if (next !== undefined) return [nextPage(item, lane, { ...place, token: next }, run)]
  if (cursor === undefined) return [{ fact: 'page-listed', from: item }]
  if (present) return [nextPage(item, lane, { ...place, token: '', verifyThen: cursor }, run)]
  return lastPage(item, place, cursor)
}

// The cursor waits for what is to be verified: a run that breaks off finds it again.
async function verify(item: Event, place: Place, cursor: Cursor, run: Run): Promise<Outcome<WatchEvent>> {
  const suspects = await run.ledger.suspects(item.run, SUSPECTS_A_PAGE)
  const { deliveries = [], facts = [] } = askVerification(item, place.window, suspects, run.now())
  const isLast = suspects.length < SUSPECTS_A_PAGE
  const then = isLast ? lastPage(item, place, cursor) : [nextPage(item, item.lane, place, run)]
  return { deliveries, facts: [...facts, ...then] }
}

function nextPage(item: Event, lane: Lane, { window, token = '', begunAt: _, ...place }: Place, run: Run): Fact {
  const page = { ...place, token, window: window + 1 }
  const id = `${item.run}/page/${page.window}`
  return {
    fact: 'page-listed',
    from: item,
    next: follow(item, watchEvents, id, { cause: 'page', page }, run.now(), lane),
  }
}

function lastPage(item: Event, { from }: Place, cursor: Cursor): Fact[] {
  return [
    { fact: 'cursor-moved', from: item, was: from, to: cursor },
    { fact: 'page-listed', from: item },
  ]
}
