import type { Listed } from '../../shared/mailbox.ts'
import { follow, joined, type Outcome } from '../../shared/stage.ts'
import { messageIds, type WatchEvent } from '../../shared/streams.ts'
import { countThreads, keepThreads } from '../../shared/windows/by-thread.ts'
import { inParts } from '../../shared/windows/parts.ts'
import type { Listing } from './paging.ts'

const PART_DIGITS = 4

/**
 * Opens a window of listed ids. Ids of one thread are adjacent, so they share a slice and one fetch. A page larger than an entry
 * becomes several windows, `3`, `3.0001` and so on, which sort in the position of their page.
 */
export function openWindow({ item, lane, now }: Listing, page: number, listed: readonly Listed[]): Outcome<WatchEvent> {
  return joined(
    inParts(keepThreads(listed)).map((ids, part) => {
      const window = part === 0 ? `${page}` : `${page}.${`${part}`.padStart(PART_DIGITS, '0')}`
      const ofThread = countThreads(ids.filter(({ filtered }) => filtered === undefined))
      const deliveries = ids.map((one, index) => {
        const body = { ...one, window, index, of: ids.length, ofThread: ofThread(one.thread) }
        return follow(item, messageIds, `${item.run}/${window}/${index}`, body, now, lane)
      })
      return { deliveries, facts: [{ fact: 'window-opened', from: item, window, context: false, items: ids }] }
    }),
  )
}
