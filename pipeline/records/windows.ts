import type { MailboxId } from '../../shared/mailbox.ts'
import { type Fate, type ListedId, type MergedWindow, messageIds, missingIds } from '../../shared/streams.ts'
import { isOfKnown } from '../../shared/windows/kinds.ts'
import { type Records, recordedIn } from './recorded.ts'

/** The ids of a window by their listing index. */
export type Listing = ReadonlyMap<number, { id: string; thread: string }>

/** The listings of windows, by `run window`. */
export type Listings = ReadonlyMap<string, { of: number; places: Listing }>

/** The fate of one index, as merge records it. */
export interface KnownFate {
  index: number
  fate: Fate
  inThread?: string | undefined
}

/** Joins fates into their window in listing order; `undefined` while one is missing. The first fate of an index counts. */
export function joinWindow(
  window: string,
  { of, places }: { of: number; places: Listing },
  fates: readonly KnownFate[],
): MergedWindow | undefined {
  const known = new Map<number, KnownFate>()
  for (const one of fates) if (!known.has(one.index)) known.set(one.index, one)
  const items = Array.from({ length: of }, (_, index) => {
    const { fate, inThread } = known.get(index) ?? {}
    return { ...places.get(index), ...(inThread === undefined ? {} : { thread: inThread }), fate }
  })
  const whole = items.filter((item): item is MergedWindow['items'][number] => 'id' in item && item.fate !== undefined)
  if (whole.length < of) return undefined
  return { window, context: isOfKnown(window), release: false, items: whole }
}

/** Reads from the streams the ids that these runs listed or refetched for their threads. */
export async function readListings(
  records: Records,
  runs: ReadonlySet<string>,
  options: { mailbox?: MailboxId | undefined; signal?: AbortSignal | undefined } = {},
): Promise<Listings> {
  const listings = new Map<string, { of: number; places: Map<number, { id: string; thread: string }> }>()
  for (const stream of [messageIds, missingIds]) {
    for await (const { envelope } of recordedIn(records, stream, options)) {
      if (!runs.has(envelope.run)) continue
      const { id, thread, window, index, of }: ListedId = envelope.body
      const name = `${envelope.run} ${window}`
      const listing = listings.get(name) ?? { of, places: new Map() }
      listings.set(name, listing)
      listing.places.set(index, { id, thread })
    }
  }
  return listings
}
