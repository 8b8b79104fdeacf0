import type { Envelope } from '../envelope.ts'
import type { Listed } from '../mailbox.ts'
import { follow, type Outcome } from '../stage.ts'
import { missingIds } from '../streams.ts'
import { countThreads } from './by-thread.ts'
import { inParts } from './parts.ts'

// Keeps a window within the size of an entry, however much the cache has lost.
const LARGEST_WINDOW = 500

/**
 * Requests known messages that are no longer cached: opens context windows of them in the item's run, at most 500 messages each, and sends
 * them to be fetched. Their threads wait in the run and are emitted once the windows are merged.
 */
export function askContext<In>(item: Envelope<In>, wanted: readonly Listed[], now: number): Outcome<In> {
  if (wanted.length === 0) return {}
  const windows = inParts(wanted, LARGEST_WINDOW).map((items, at) => ({ window: `context:${item.id}/${at}`, items }))
  return {
    deliveries: windows.flatMap(({ window, items }) => {
      const ofThread = countThreads(items)
      return items.map(({ id, thread }, index) => {
        const body = { id, thread, window, index, of: items.length, ofThread: ofThread(thread) }
        return follow(item, missingIds, `${item.run}/${window}/${index}`, body, now)
      })
    }),
    facts: [
      ...windows.map(
        ({ window, items }) => ({ fact: 'window-opened', from: item, window, context: true, items }) as const,
      ),
      { fact: 'context-asked', from: item, threads: [...new Set(wanted.map(({ thread }) => thread))] },
    ],
  }
}

/**
 * Requests known messages that seem to be gone from the provider, bypassing the cache: opens a window of them in the item's run. Once it is
 * merged, messages that are gone are removed from their threads; the others have no effect.
 */
export function askVerification<In>(
  item: Envelope<In>,
  page: number,
  suspects: readonly Listed[],
  now: number,
): Outcome<In> {
  if (suspects.length === 0) return {}
  const window = `verify:${page}`
  const of = suspects.length
  return {
    deliveries: suspects.map(({ id, thread }, index) => {
      const body = { id, thread, window, index, of, verify: true }
      return follow(item, missingIds, `${item.run}/${window}/${index}`, body, now)
    }),
    facts: [
      { fact: 'window-opened', from: item, window, context: true, items: suspects },
      { fact: 'suspects-cleared', from: item, ids: suspects.map(({ id }) => id) },
    ],
  }
}
