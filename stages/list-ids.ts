import { lookAgain, newestAnnounced, notFoundYet } from '../shared/announced.ts'
import { followChanges, missedOn } from '../shared/changes.ts'
import { askVerification, joined } from '../shared/context.ts'
import type { Envelope, Lane } from '../shared/envelope.ts'
import type { Fact } from '../shared/fact.ts'
import type { Changes, Cursor, Listed } from '../shared/mailbox.ts'
import type { MessageId } from '../shared/message.ts'
import { afterPage, type Listing, lastPage, nextPage, type Place, verifyPage } from '../shared/paging.ts'
import type { Outcome, Run, Stage } from '../shared/stage.ts'
import { messageIds, missingIds, type WatchEvent, watchEvents } from '../shared/streams.ts'
import { openWindow } from '../shared/window.ts'

type Event = Envelope<WatchEvent>

const SUSPECTS_A_PAGE = 500
const nothing: ReadonlySet<MessageId> = new Set()

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
    return listPage(event, synced ? 'live' : 'bulk', { ...rest, since, from: cursor ?? '', window: 1 }, run, events)
  }
  return {}
}

function goOn(item: Event, place: Place, run: Run): Promise<Outcome<WatchEvent>> {
  const { verifyThen } = place
  return verifyThen === undefined ? listPage(item, item.lane, place, run) : verify(item, place, verifyThen, run)
}

async function listPage(
  item: Event,
  lane: Lane,
  place: Place,
  run: Run,
  events: readonly Event[] = [],
): Promise<Outcome<WatchEvent>> {
  const { since, syncedAt, window, announced, begunAt } = place
  const changes = await run.mailbox.changes(since, place.token, run.call)
  const lacking = await notFoundYet(events, changes, run)
  const again = lookAgain(item, changes, { announced, lacking, begunAt, now: run.now() })
  if (again?.failed) return again
  if (changes.reset) {
    // What came since the cursor last moved is listed, however much it is; what went meanwhile is found by what is there.
    await run.ledger.suspectAll(item.run, window)
    const fresh = await run.mailbox.open(run.call, syncedAt)
    return listPage(item, 'bulk', { ...place, since: fresh.cursor, token: undefined }, run)
  }
  if (changes.doubtful) await run.ledger.suspectAll(item.run, window)
  // What is known need not be read again because the provider tells it again.
  const known = changes.overlaps ? await run.ledger.known(changes.ids) : nothing
  const followed = await followChanges(item, { changes, known, page: window }, run)
  const listing = { item, lane, now: run.now() }
  return joined([
    followed,
    again ?? {},
    openWindow(
      listing,
      window,
      changes.ids.filter(({ id }) => !known.has(id)),
    ),
    { facts: seen(item, changes) },
    await goFurther(listing, place, changes, run),
  ])
}

// What left one folder may be in one that is still to be asked, and be gone from there before that is: it is verified when all were.
async function goFurther(listing: Listing, place: Place, changes: Changes, run: Run): Promise<Outcome<WatchEvent>> {
  const { item, now } = listing
  const missed = await missedOn(changes, run)
  const suspected: Fact[] = missed.length > 0 ? [{ fact: 'suspected', from: item, items: missed }] : []
  if (changes.cursor === undefined || changes.present) {
    return { facts: [...suspected, ...afterPage(listing, place, changes)] }
  }
  const isFirst = place.window === 1 || !changes.overlaps
  const earlier = isFirst ? [] : await run.ledger.suspects(item.run, SUSPECTS_A_PAGE)
  const here = new Set(changes.ids.map(({ id }) => id))
  const suspects = unique([...missed, ...earlier.filter(({ id }) => !here.has(id))])
  if (suspects.length > SUSPECTS_A_PAGE || earlier.length === SUSPECTS_A_PAGE) {
    return { facts: [...suspected, verifyPage(listing, place, changes.cursor)] }
  }
  return joined([
    askVerification(item, place.window, suspects, now),
    { facts: lastPage(listing, place, changes.cursor) },
  ])
}

function unique(listed: readonly Listed[]): Listed[] {
  return [...new Map(listed.map(one => [one.id, one])).values()]
}

function seen(item: Event, { ids, overlaps, present }: Changes): Fact[] {
  const there = (present ?? (overlaps ? ids : [])).map(({ id }) => id)
  return there.length > 0 ? [{ fact: 'suspects-cleared', from: item, ids: there }] : []
}

// The cursor waits for what is to be verified: a run that breaks off finds it again.
async function verify(item: Event, place: Place, cursor: Cursor, run: Run): Promise<Outcome<WatchEvent>> {
  const suspects = await run.ledger.suspects(item.run, SUSPECTS_A_PAGE)
  const listing = { item, lane: item.lane, now: run.now() }
  const isLast = suspects.length < SUSPECTS_A_PAGE
  return joined([
    askVerification(item, place.window, suspects, listing.now),
    { facts: isLast ? lastPage(listing, place, cursor) : [nextPage(listing, place)] },
  ])
}
