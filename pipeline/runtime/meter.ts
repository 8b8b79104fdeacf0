import type { CallKind } from '../../shared/mailbox.ts'

/** Counts the provider calls of a batch and their cost in quota units. */
export interface Meter {
  count: (kind: CallKind, units: number) => void
  calls: Partial<Record<CallKind, number>>
  units: () => number
  /** Requested messages, and those that failed for another reason than a rate limit. */
  parts: { asked: number; failed: number }
  countParts: (asked: number, failed: number) => void
  /** Returns whether the provider was not called yet. */
  isZero: () => boolean
}

/** Creates a meter at zero. */
export function createMeter(): Meter {
  const calls: Partial<Record<CallKind, number>> = {}
  const parts = { asked: 0, failed: 0 }
  let sum = 0
  return {
    calls,
    units: () => sum,
    parts,
    countParts(asked, failed) {
      parts.asked += asked
      parts.failed += failed
    },
    isZero: () => Object.keys(calls).length === 0,
    count(kind, units) {
      calls[kind] = (calls[kind] ?? 0) + 1
      sum += units
    },
  }
}
