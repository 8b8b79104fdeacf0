import type { Envelope } from '../envelope.ts'
import type { SetAsideFact } from '../fact.ts'
import { encodeEntry } from '../slice.ts'
import { isOwnWindow } from '../windows/deferred.ts'
import type { Keys } from './keys.ts'

/** Where a plan gathers its keys and texts. */
interface Gathering {
  key(key: string): number
  text(text: string): number
}

/** Where a window of its own is noted, for `deferred.lua`: the mailbox's hash and the field in it; nothing for any other window. */
export function notedAt(plan: Pick<Gathering, 'key'>, keys: Keys, { mailbox, run }: Envelope, window: string) {
  if (!isOwnWindow(window)) return {}
  return { deferred: plan.key(keys.deferred(mailbox)), field: `${run}/${window}` }
}

/** What a set-aside item waits as: the text of its entry, as the delays have it, what is told of it, and its window's one item. */
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
