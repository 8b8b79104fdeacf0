import type { Envelope } from '../envelope.ts'
import type { Listed } from '../mailbox.ts'
import { follow, type Outcome } from '../stage.ts'
import { missingIds } from '../streams.ts'
import { countThreads } from './by-thread.ts'
import { inParts } from './parts.ts'

// So that a window never grows beyond what an entry may hold, however much the cache has lost.
const LARGEST_WINDOW = 500

/**
 * Asks for known messages that the cache has lost: opens context windows of them in the item's run, of at most 500 each, and sends them
 * to be fetched. Their threads wait in the run and go out once the windows are merged.
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
 * Asks the provider for known messages that seem to be gone, past the cache: opens a window of them in the item's run. Those that are gone
 * leave their threads once it is merged; of the others nothing follows.
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
