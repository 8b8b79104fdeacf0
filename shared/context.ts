import { countThreads } from './by-thread.ts'
import { originOf } from './deferred.ts'
import type { Envelope } from './envelope.ts'
import type { Listed } from './mailbox.ts'
import { inParts } from './parts.ts'
import { follow, type Outcome } from './stage.ts'
import { missingIds } from './streams.ts'

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

/**
 * What a window is of, by its name: the ids of a page, an id that was driven again, known messages that the cache has lost, or known messages
 * that seem to be gone.
 */
export type WindowKind = 'page' | 'redriven' | 'context' | 'verification'

/** The kind of a window; one of an item that was set aside is of the kind it was set aside from. */
export function kindOf(window: string): WindowKind {
  const origin = originOf(window)
  if (origin.startsWith('context:')) return 'context'
  if (origin.startsWith('redrive:')) return 'redriven'
  return verifiedPage(origin) === undefined ? 'page' : 'verification'
}

// Keyed by every kind: the compiler names the one that is forgotten here.
const OF_KNOWN: Readonly<Record<WindowKind, boolean>> = {
  page: false,
  redriven: false,
  context: true,
  verification: true,
}

/** Whether a window is of known messages, and not of listed ones. */
export function isOfKnown(window: string): boolean {
  return OF_KNOWN[kindOf(window)]
}

/** The page on which messages that such a window is of seemed to be gone; `undefined` for any other window. */
export function verifiedPage(window: string): number | undefined {
  const page = /^verify:(\d+)$/.exec(window)?.[1]
  return page === undefined ? undefined : Number(page)
}

/** Several outcomes of one batch as one. */
export function joined<In>(outcomes: readonly Outcome<In>[]): Outcome<In> {
  return {
    deliveries: outcomes.flatMap(outcome => outcome.deliveries ?? []),
    facts: outcomes.flatMap(outcome => outcome.facts ?? []),
    failed: outcomes.flatMap(outcome => outcome.failed ?? []),
  }
}
