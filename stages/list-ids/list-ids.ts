import type { Envelope, Lane } from '../../shared/envelope.ts'
import { asksForRun, hasChanges, lookAfterPush, lookAfterRun, lookAtRest, lookOnceMore } from '../../shared/look.ts'
import type { Changes, Cursor } from '../../shared/mailbox.ts'
import type { MessageId } from '../../shared/message.ts'
import { joined, type Outcome, type Stage, type StageContext } from '../../shared/stage.ts'
import { messageIds, missingIds, type WatchEvent, watchEvents } from '../../shared/streams.ts'
import { missingAnnounced, newestAnnounced, retryListing } from './announced.ts'
import { followChanges } from './changes.ts'
import type { Place } from './paging.ts'
import { openWindow } from './paging.ts'
import { continueListing, verifySuspects } from './suspects.ts'

type Event = Envelope<WatchEvent>

/** The first page of changes since a cursor. */
interface FirstPage {
  cursor: Cursor
  changes: Changes
}

const nothing: ReadonlySet<MessageId> = new Set()

/** Turns "this mailbox changed" into the ids of new messages, one listing page at a time, and reports gone and relabelled ones. */
export const listIds: Stage<WatchEvent> = {
  name: 'list-ids',
  reads: [watchEvents],
  writes: [messageIds, missingIds, watchEvents],
  pace: { size: 20, calls: true, waitMs: 0, concurrency: 3 },

  async handle(batch, ctx) {
    const pages = batch.items.flatMap(item => (item.body.page ? [continueRun(item, item.body.page, ctx)] : []))
    const events = batch.items.filter(item => !item.body.page)
    return joined([...(await Promise.all([...pages, answer(events, ctx)])), lookAfterPush(events, ctx)])
  },

  stall: item => ({ facts: [{ fact: 'run-stalled', from: item }] }),

  deadLetter: (item, error) => ({ facts: [{ fact: 'run-failed', from: item, reason: error.message }] }),
}

// A look comes last: a run that begins here is in flight by then, and its task is emitted first.
async function answer(events: readonly Event[], ctx: StageContext): Promise<Outcome<WatchEvent>> {
  const looks = events.filter(({ body }) => body.cause === 'look')
  const outcomes: Outcome<WatchEvent>[] = [
    { facts: looks.map(from => ({ fact: 'look-begun', from })) },
    await startRun(events.filter(asksForRun), ctx),
  ]
  for (const event of looks) outcomes.push(await look(event, ctx))
  return joined(outcomes)
}

// A look starts a run only when it finds a change: otherwise it costs one call and leaves no trace.
async function look(item: Event, ctx: StageContext): Promise<Outcome<WatchEvent>> {
  const state = await ctx.ledger.peek(item)
  if (state.state === 'busy') return lookAfterRun(item, ctx)
  if (state.state === 'begin') return joined([await startRun([item], ctx), lookOnceMore(item, ctx)])
  const { cursor } = state
  const changes = await ctx.mailbox.changes(cursor, undefined, ctx.call)
  if (!hasChanges(changes)) return lookAtRest(item, changes)
  return joined([await startRun([item], ctx, { cursor, changes }), lookOnceMore(item, ctx)])
}

// One call covers all events before it; an active run covers them when it ends.
async function startRun(
  events: readonly Event[],
  ctx: StageContext,
  firstPage?: FirstPage,
): Promise<Outcome<WatchEvent>> {
  for (const event of events) {
    const begun = await ctx.ledger.begin(event, newestAnnounced(events))
    if (!begun) continue
    const { cursor, synced, ...rest } = begun
    const since = cursor ?? (await ctx.mailbox.open(ctx.call)).cursor
    const place = { ...rest, since, from: cursor ?? '', window: 1 }
    // Another run may have moved the cursor since the page was listed.
    const changes = firstPage?.cursor === since ? firstPage.changes : undefined
    return listPage(event, synced ? 'live' : 'bulk', place, ctx, { events, changes })
  }
  return {}
}

function continueRun(item: Event, place: Place, ctx: StageContext): Promise<Outcome<WatchEvent>> {
  const { verifyThen } = place
  if (verifyThen === undefined) return listPage(item, item.lane, place, ctx)
  return verifySuspects({ item, lane: item.lane, now: ctx.now() }, place, verifyThen, ctx)
}

async function listPage(
  item: Event,
  lane: Lane,
  place: Place,
  ctx: StageContext,
  first: { events?: readonly Event[]; changes?: Changes | undefined } = {},
): Promise<Outcome<WatchEvent>> {
  const { since, syncedAt, window, announced, begunAt } = place
  const { events = [] } = first
  const changes = first.changes ?? (await ctx.mailbox.changes(since, place.token, ctx.call))
  const missing = await missingAnnounced(events, changes, ctx)
  const retry = retryListing(item, changes, { announced, missing, begunAt, now: ctx.now() })
  if (retry?.failed) return retry
  if (changes.reset) {
    // Everything since the cursor last moved is listed again; deletions are found by comparison with what is present.
    await ctx.ledger.suspectAll(item.run, window)
    const fresh = await ctx.mailbox.open(ctx.call, syncedAt)
    return listPage(item, 'bulk', { ...place, since: fresh.cursor, token: undefined }, ctx)
  }
  if (changes.mayBeStale) await ctx.ledger.suspectAll(item.run, window)
  // Known messages need no fetch when the provider lists them again.
  const known = changes.overlaps || place.heals ? await ctx.ledger.known(changes.ids) : nothing
  const followed = await followChanges(item, { changes, known, page: window }, ctx)
  const listing = { item, lane, now: ctx.now() }
  return joined([
    followed,
    retry ?? {},
    openWindow(
      listing,
      window,
      changes.ids.filter(({ id, verify }) => verify || !known.has(id)),
    ),
    await continueListing(listing, place, changes, ctx),
    lookAtRest(item, changes),
  ])
}
