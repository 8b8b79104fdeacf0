import { countThreads, keepThreads } from './by-thread.ts'
import type { Listed } from './mailbox.ts'
import type { Listing } from './paging.ts'
import { follow, type Outcome } from './stage.ts'
import { messageIds, type WatchEvent } from './streams.ts'

/** Opens a window of listed ids, those of one thread beside each other: they come into one slice and can be fetched as one. */
export function openWindow(
  { item, lane, now }: Listing,
  window: number,
  listed: readonly Listed[],
): Outcome<WatchEvent> {
  if (listed.length === 0) return {}
  const ids = keepThreads(listed)
  const ofThread = countThreads(ids.filter(({ filtered }) => filtered === undefined))
  const deliveries = ids.map((one, index) => {
    const body = { ...one, window: `${window}`, index, of: ids.length, ofThread: ofThread(one.thread) }
    return follow(item, messageIds, `${item.run}/${window}/${index}`, body, now, lane)
  })
  return {
    deliveries,
    facts: [{ fact: 'window-opened', from: item, window: `${window}`, context: false, items: ids }],
  }
}
