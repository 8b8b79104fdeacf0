import type { Stage } from '../shared/stage.ts'
import { cachedMessages, fetchedMessages, merged, type SettledId, watchEvents } from '../shared/streams.ts'

/** Joins fates into windows: the last fate of a window writes it to `merged` and requests the next page of the run, once. */
export const merge: Stage<SettledId> = {
  name: 'merge',
  reads: [cachedMessages, fetchedMessages],
  writes: [merged, watchEvents],
  pace: { size: 20, waitMs: 0, concurrency: 3 },

  async handle(batch) {
    return {
      facts: batch.items.map(item => {
        const { window, index, fate, inThread } = item.body
        return { fact: 'fate-known', from: item, window, index, fate, inThread }
      }),
    }
  },

  deadLetter(item) {
    const { window, index } = item.body
    return { facts: [{ fact: 'fate-known', from: item, window, index, fate: 'dead' }] }
  },
}
