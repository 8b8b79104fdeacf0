import type { Envelope, Lane } from '../../shared/envelope.ts'
import {
  asksForRun,
  lookAfterPush,
  lookAfterRun,
  lookAtRest,
  lookOnceMore,
  tellsAnything,
} from '../../shared/later-look.ts'
import type { Changes, Cursor } from '../../shared/mailbox.ts'
import type { MessageId } from '../../shared/message.ts'
import { joined, type Outcome, type Run, type Stage } from '../../shared/stage.ts'
import { messageIds, missingIds, type WatchEvent, watchEvents } from '../../shared/streams.ts'
import { lookAgain, newestAnnounced, notFoundYet } from './announced.ts'
import { followChanges } from './changes.ts'
import type { Place } from './paging.ts'
import { goFurther, verifySuspects } from './suspects.ts'
import { openWindow } from './window.ts'

type Event = Envelope<WatchEvent>

/** The first page of changes since a cursor. */
interface FirstPage {
  cursor: Cursor
  changes: Changes
}

const nothing: ReadonlySet<MessageId> = new Set()

/** Turns "this mailbox changed" into the ids of what is new, one listing page at a time, and says what is gone and relabelled. */
export const listIds: Stage<WatchEvent> = {
  name: 'list-ids',
  reads: [watchEvents],
  writes: [messageIds, missingIds, watchEvents],
  pace: { size: 20, calls: true, waitMs: 0, concurrency: 3 },

  async handle(batch, run) {
    const pages = batch.items.flatMap(item => (item.body.page ? [goOn(item, item.body.page, run)] : []))
    const events = batch.items.filter(item => !item.body.page)
    return joined([...(await Promise.all([...pages, answer(events, run)])), lookAfterPush(events, run)])
  },

  stall: item => ({ facts: [{ fact: 'run-stalled', from: item }] }),

  bury: (item, error) => ({ facts: [{ fact: 'run-failed', from: item, reason: error.message }] }),
}

// A look comes last: a run that begins here is under way then, and its task goes out first.
async function answer(events: readonly Event[], run: Run): Promise<Outcome<WatchEvent>> {
  const looks = events.filter(({ body }) => body.cause === 'look')
  const outcomes: Outcome<WatchEvent>[] = [
    { facts: looks.map(from => ({ fact: 'look-taken', from })) },
    await startRun(events.filter(asksForRun), run),
  ]
  for (const event of looks) outcomes.push(await look(event, run))
  return joined(outcomes)
}

// A look begins a run only where it finds something: one that finds nothing costs a call and leaves no trace.
async function look(item: Event, run: Run): Promise<Outcome<WatchEvent>> {
  const standing = await run.ledger.peek(item)
  if (standing.state === 'busy') return lookAfterRun(item, run)
  if (standing.state === 'begin') return joined([await startRun([item], run), lookOnceMore(item, run)])
  const { cursor } = standing
  const changes = await run.mailbox.changes(cursor, undefined, run.call)
  if (!tellsAnything(changes)) return lookAtRest(item, changes)
  return joined([await startRun([item], run, { cursor, changes }), lookOnceMore(item, run)])
}

// One call answers all the events that came before it; where another run is active, its end answers them.
async function startRun(events: readonly Event[], run: Run, inHand?: FirstPage): Promise<Outcome<WatchEvent>> {
  for (const event of events) {
    const begun = await run.ledger.begin(event, newestAnnounced(events))
    if (!begun) continue
    const { cursor, synced, ...rest } = begun
    const since = cursor ?? (await run.mailbox.open(run.call)).cursor
    const place = { ...rest, since, from: cursor ?? '', window: 1 }
    // Another run may have moved the cursor since the page was listed.
    const changes = inHand?.cursor === since ? inHand.changes : undefined
    return listPage(event, synced ? 'live' : 'bulk', place, run, { events, changes })
  }
  return {}
}

function goOn(item: Event, place: Place, run: Run): Promise<Outcome<WatchEvent>> {
  const { verifyThen } = place
  if (verifyThen === undefined) return listPage(item, item.lane, place, run)
  return verifySuspects({ item, lane: item.lane, now: run.now() }, place, verifyThen, run)
}

async function listPage(
  item: Event,
  lane: Lane,
  place: Place,
  run: Run,
  first: { events?: readonly Event[]; changes?: Changes | undefined } = {},
): Promise<Outcome<WatchEvent>> {
  const { since, syncedAt, window, announced, begunAt } = place
  const { events = [] } = first
  const changes = first.changes ?? (await run.mailbox.changes(since, place.token, run.call))
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
  const known = changes.overlaps || place.heals ? await run.ledger.known(changes.ids) : nothing
  const followed = await followChanges(item, { changes, known, page: window }, run)
  const listing = { item, lane, now: run.now() }
  return joined([
    followed,
    again ?? {},
    openWindow(
      listing,
      window,
      changes.ids.filter(({ id, verify }) => verify || !known.has(id)),
    ),
    await goFurther(listing, place, changes, run),
    lookAtRest(item, changes),
  ])
}
