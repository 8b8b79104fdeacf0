import { originOf } from './deferred.ts'

/**
 * The kind of a window, by its name: the ids of a page, a redriven id, known messages that are no longer cached, or known messages that
 * seem to be gone.
 */
export type WindowKind = 'page' | 'redriven' | 'context' | 'verification'

/** Returns the kind of a window; a deferred item's window has the kind of its origin. */
export function kindOf(window: string): WindowKind {
  const origin = originOf(window)
  if (origin.startsWith('context:')) return 'context'
  if (origin.startsWith('redrive:')) return 'redriven'
  return verifiedPage(origin) === undefined ? 'page' : 'verification'
}

// Keyed by every kind, so that the compiler reports a missing one.
const OF_KNOWN: Readonly<Record<WindowKind, boolean>> = {
  page: false,
  redriven: false,
  context: true,
  verification: true,
}

/** Returns whether a window holds known messages rather than listed ones. */
export function isOfKnown(window: string): boolean {
  return OF_KNOWN[kindOf(window)]
}

/** Returns the page on which the messages of a verification window seemed to be gone; `undefined` for any other window. */
export function verifiedPage(window: string): number | undefined {
  const page = /^verify:(\d+)$/.exec(window)?.[1]
  return page === undefined ? undefined : Number(page)
}
