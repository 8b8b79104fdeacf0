import type { Envelope } from '../envelope.ts'
import type { SetAsideFact } from '../fact.ts'
import { encodeEntry } from '../slice.ts'
import { isOwnWindow } from '../windows/deferred.ts'
import type { Keys } from './keys.ts'

/** Collects the keys and texts of a plan. */
interface Gathering {
  key(key: string): number
  text(text: string): number
}

/**
 * Returns the location of a deferred item's record for `deferred.lua`: the mailbox's hash and the field in it. Returns nothing for any
 * other window.
 */
export function notedAt(plan: Pick<Gathering, 'key'>, keys: Keys, { mailbox, run }: Envelope, window: string) {
  if (!isOwnWindow(window)) return {}
  return { deferred: plan.key(keys.deferred(mailbox)), field: `${run}/${window}` }
}

/** Returns the stored form of a deferred item: its entry's text as the delays hold it, its record, and its window's only item. */
export function waitsAs(plan: Pick<Gathering, 'text'>, keys: Keys, { again, note, thread }: SetAsideFact) {
  const { to, envelope } = again
  const key = keys.stream(keys.partitionOf(envelope.mailbox), to.name, envelope.lane)
  return {
    id: note.id,
    items: plan.text(JSON.stringify([[note.id, thread]])),
    member: plan.text(`${key}\n${encodeEntry(to, [envelope])}`),
    note: plan.text(JSON.stringify(note)),
  }
}
