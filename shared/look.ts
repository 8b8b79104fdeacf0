import type { Envelope } from './envelope.ts'
import type { Fact, LookScheduledFact } from './fact.ts'
import type { Changes } from './mailbox.ts'
import type { Outcome, StageContext } from './stage.ts'
import type { WatchEvent } from './streams.ts'

type Event = Envelope<WatchEvent>

const MAX_LOOKS = 3
// The provider's one second is not exact.
const SLACK_MS = 100

/** Returns whether an event asks for an immediate run. */
export function asksForRun({ body }: Event): boolean {
  return body.page === undefined && body.cause !== 'look' && !body.stale
}

/** Schedules one look after these events if one is a push: the provider announces no changes that follow right after a push. */
export function lookAfterPush(events: readonly Event[], ctx: StageContext): Outcome<WatchEvent> {
  const push = events.findLast(({ body }) => body.cause === 'push')
  return push ? scheduleLook(push, MAX_LOOKS, ctx) : {}
}

/** Schedules another look after one that found something, unless it was the last in a row. */
export function lookOnceMore(look: Event, ctx: StageContext): Outcome<WatchEvent> {
  const { left = 1 } = look.body
  return left > 1 ? scheduleLook(look, left - 1, ctx) : {}
}

/** Schedules a look at folders that could not be listed now, where the last page names a time for it. */
export function lookAtRest(from: Event, { lookAt, cursor }: Changes): Outcome<WatchEvent> {
  if (lookAt === undefined || cursor === undefined) return {}
  return { facts: [{ fact: 'look-scheduled', from, dueAt: lookAt, left: 1 }] }
}

/** Postpones a look until the active run ends, so that tasks are emitted first. */
export function lookAfterRun(look: Event, ctx: StageContext): Outcome<WatchEvent> {
  const { left = 1 } = look.body
  return { facts: [{ fact: 'look-scheduled', from: look, dueAt: ctx.now(), left, afterRun: true }] }
}

/** Returns whether a page of changes has any effect beyond moving the cursor. */
export function hasChanges({ ids, gone, labels, left = [], ...page }: Changes): boolean {
  if (ids.length + gone.length + labels.length + left.length > 0) return true
  return page.next !== undefined || page.reset === true || page.mayBeStale === true || page.present !== undefined
}

/** Returns the looks that these facts schedule. */
export function scheduledLooks(facts: readonly Fact[]): LookScheduledFact[] {
  return facts.filter(fact => fact.fact === 'look-scheduled')
}

function scheduleLook(from: Event, left: number, { mailbox, now }: StageContext): Outcome<WatchEvent> {
  const { silentAfterPushMs } = mailbox
  if (silentAfterPushMs === undefined) return {}
  return { facts: [{ fact: 'look-scheduled', from, dueAt: now() + silentAfterPushMs + SLACK_MS, left }] }
}
