import type { Envelope } from '../envelope.ts'
import type { MailError } from '../error.ts'
import type { DeferredNote, Fact, SetAsideFact } from '../fact.ts'
import type { ListedId, Stream } from '../streams.ts'

/** What the name of a deferred item's own window begins with. */
export const OWN_WINDOW_PREFIX = 'deferred:'
const PLACE = /\/\d+$/

/** Returns the name of the window in which a deferred item of another window waits alone. */
export function ownWindow(window: string, index: number): string {
  return `${OWN_WINDOW_PREFIX}${window}/${index}`
}

/** Returns whether a window belongs to one deferred item. */
export function isOwnWindow(window: string): boolean {
  return window.startsWith(OWN_WINDOW_PREFIX)
}

/** Returns the window from which a deferred item came; any other window is its own origin. */
export function originOf(window: string): string {
  return isOwnWindow(window) ? window.slice(OWN_WINDOW_PREFIX.length).replace(PLACE, '') : window
}

/** Returns whether an item is deferred, in a window of its own. */
export function isDeferred({ body }: Envelope): boolean {
  const { window } = (body ?? {}) as Partial<ListedId>
  return typeof window === 'string' && isOwnWindow(window)
}

/** Returns the facts that defer items. */
export function setAsides(facts: readonly Fact[]): SetAsideFact[] {
  return facts.filter(fact => fact.fact === 'set-aside')
}

/** Defers an item: it waits in a window of its own and goes back to its stream at `dueAt` (ms since 1970). */
export function setAside(
  item: Envelope<ListedId>,
  to: Stream<ListedId>,
  { dueAt, now, note }: { dueAt: number; now: number; note: DeferredNote },
): SetAsideFact & { from: Envelope } {
  const { window, index, ofThread: _, ...body } = item.body
  const own = ownWindow(window, index)
  const again = { ...item, id: `${item.run}/${own}/0`, at: now, attempt: note.attempts }
  return {
    fact: 'set-aside',
    from: item,
    window,
    index,
    own,
    thread: body.thread,
    again: { from: item, to: to as Stream, envelope: { ...again, body: { ...body, window: own, index: 0, of: 1 } } },
    dueAt,
    note,
  }
}

/** Creates the record of a deferred item: it failed with this error, after so many attempts. */
export function noteOf(
  item: Envelope<ListedId>,
  error: MailError,
  rest: Pick<DeferredNote, 'stage' | 'since' | 'attempts'>,
): DeferredNote {
  const { id, thread } = item.body
  return { id, thread, kind: error.kind, reason: error.message, ...rest }
}
