import { originOf } from './deferred.ts'

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
