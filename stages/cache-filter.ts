import type { Envelope } from '../shared/envelope.ts'
import type { MailError } from '../shared/error.ts'
import { follow, type Outcome, type Stage } from '../shared/stage.ts'
import { cachedMessages, type Fate, type ListedId, messageIds, missingIds } from '../shared/streams.ts'

/** Sends ids of filtered or cached messages straight to merge, and only the others to batch-fetch. */
export const cacheFilter: Stage<ListedId> = {
  name: 'cache-filter',
  reads: [messageIds],
  writes: [cachedMessages, missingIds],
  pace: { size: 20, waitMs: 0, concurrency: 3 },

  async handle(batch, ctx) {
    const cached = await ctx.cache.touch(batch.items.map(item => item.body.id))
    return {
      deliveries: batch.items.map(item => {
        const { id, window, index, of, filtered, verify } = item.body
        const place = { id, window, index, of }
        if (filtered !== undefined)
          return follow(item, cachedMessages, item.id, { ...place, fate: 'filtered', reason: filtered }, ctx.now())
        return cached.has(id) && !verify
          ? follow(item, cachedMessages, item.id, { ...place, fate: 'cached' }, ctx.now())
          : follow(item, missingIds, item.id, item.body, ctx.now())
      }),
    }
  },

  deadLetter: (item, error) => withFate(item, 'dead', error),
  defer: (item, error) => withFate(item, 'deferred', error),
}

function withFate(item: Envelope<ListedId>, fate: Fate, { message: reason }: MailError): Outcome<ListedId> {
  const { id, window, index, of } = item.body
  return {
    deliveries: [follow(item, cachedMessages, item.id, { id, window, index, of, fate, reason }, item.at)],
  }
}
