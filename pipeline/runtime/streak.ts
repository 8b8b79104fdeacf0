/** Failures of one mailbox in a row, and the items that failed since they last succeeded. */
export interface Streak {
  /** Whether all of these items have failed before, and at least one is named. */
  hasFailed(items: readonly string[]): boolean
  /**
   * Notes a call that failed for all of these items; none stands for the mailbox as a whole. `open` says that enough different
   * items failed in a row, `ask` that as many calls failed for fewer items.
   */
  failed(items: readonly string[]): 'open' | 'ask' | 'wait'
  /** Notes a call that was answered for these items: the failures in a row are over. */
  succeeded(items: readonly string[]): void
  clear(): void
}

// Beyond it the oldest are forgotten; forgotten items count as different once more.
const MOST_REMEMBERED = 1000

/** An empty streak; `threshold` failures in a row are enough to act. */
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
      for (const item of suspects) if (suspects.size > MOST_REMEMBERED) suspects.delete(item)
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
