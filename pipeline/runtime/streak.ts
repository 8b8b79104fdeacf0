/** Consecutive failures of one mailbox, and the items that failed since they last succeeded. */
export interface Streak {
  /** Returns whether all of these items have failed before, and at least one is given. */
  hasFailed(items: readonly string[]): boolean
  /**
   * Notes a call that failed for all of these items; no items stand for the whole mailbox. Returns `open` when enough different items
   * failed in a row, and `ask` when as many calls failed for fewer items.
   */
  failed(items: readonly string[]): 'open' | 'ask' | 'wait'
  /** Notes a call that was answered for these items, and ends the streak. */
  succeeded(items: readonly string[]): void
  clear(): void
}

// Beyond this the oldest are forgotten, and count as different items again.
const MAX_REMEMBERED = 1000

/** Creates an empty streak that acts after `threshold` failures in a row. */
export function createStreak(threshold: number): Streak {
  const suspects = new Set<string>()
  let different = 0
  let calls = 0

  return {
    hasFailed: items => items.length > 0 && items.every(item => suspects.has(item)),

    failed(items) {
      calls += 1
      if (items.length === 0 || items.some(item => !suspects.has(item))) different += 1
      for (const item of items) suspects.add(item)
      for (const item of suspects) if (suspects.size > MAX_REMEMBERED) suspects.delete(item)
      if (different >= threshold) return 'open'
      if (calls < threshold) return 'wait'
      calls = 0
      return 'ask'
    },

    succeeded(items) {
      different = 0
      calls = 0
      for (const item of items) suspects.delete(item)
    },

    clear() {
      different = 0
      calls = 0
    },
  }
}
