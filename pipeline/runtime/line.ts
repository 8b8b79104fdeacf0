import { type Entry, isSlice } from '../../shared/redis/entry.ts'
import type { Pace } from '../../shared/stage.ts'
import { sizeOf } from './credit.ts'

/** What waits of one mailbox in one lane, and what of it is in work. */
export interface Line<In> {
  add(entry: Entry<In>): void
  /** Whether a batch may begin now. */
  mayBegin(): boolean
  /** When one may begin at the latest (ms since 1970); infinite where only the end of another batch can tell. */
  ripeAt(): number
  /** The next batch: what waits, up to the pace's size. */
  take(): Entry<In>[]
  /** What waits behind so much, which stays. */
  takeBeyond(size: number): Entry<In>[]
  /** How much waits, in the unit of the pace's size. */
  filled(): number
  /** A batch has ended. A line that fails has one batch in work at a time. */
  end(failing: boolean): void
  /** A batch has ended before anything was done: it is first again, and nothing begins before `restUntil` (ms since 1970). */
  putBack(entries: readonly Entry<In>[], restUntil: number): void
  restUntil(): number
  inWork(): number
  /** Nothing waits, nothing is in work, and nothing has to be remembered. */
  isIdle(): boolean
}

const MOST_WINDOWS = 100

/** An empty line. */
export function createLine<In>(pace: Pace, now: () => number): Line<In> {
  const size = pace.ids ?? pace.size
  let waiting: Entry<In>[] = []
  let filled = 0
  let [inWork, failing, restUntil, since] = [0, false, 0, 0]
  // How many ids of windows of which some have come are still to come.
  const expected = new Map<string, number>()

  return {
    add(entry) {
      if (waiting.length === 0) since = now()
      waiting.push(entry)
      filled += sizeOf(pace, entry)
      if (pace.waitMs > 0) expectRest(entry)
    },

    mayBegin: () => waiting.length > 0 && now() >= restUntil && !(failing && inWork > 0) && isRipe(),

    ripeAt() {
      if (waiting.length === 0 || (failing && inWork > 0)) return Number.POSITIVE_INFINITY
      return Math.max(restUntil, isRipe() ? 0 : since + pace.waitMs)
    },

    take() {
      inWork += 1
      return remove(0, Math.max(1, countWithin(size)))
    },

    takeBeyond: most => remove(countWithin(most), waiting.length),
    filled: () => filled,

    end(fails) {
      inWork -= 1
      failing = fails
    },

    putBack(entries, until) {
      inWork -= 1
      restUntil = Math.max(restUntil, until)
      waiting = [...entries, ...waiting]
      filled += entries.reduce((sum, entry) => sum + sizeOf(pace, entry), 0)
    },

    restUntil: () => restUntil,
    inWork: () => inWork,
    isIdle: () => waiting.length === 0 && inWork === 0 && !failing && now() >= restUntil,
  }

  function countWithin(most: number): number {
    let [count, sum] = [0, 0]
    for (const entry of waiting) {
      sum += sizeOf(pace, entry)
      if (sum > most) break
      count += 1
    }
    return count
  }

  function remove(from: number, count: number): Entry<In>[] {
    const taken = waiting.splice(from, count)
    filled -= taken.reduce((sum, entry) => sum + sizeOf(pace, entry), 0)
    return taken
  }

  // A thin batch waits for the rest of its windows, where that may still come.
  function isRipe(): boolean {
    return filled >= size || expected.size === 0 || now() - since >= pace.waitMs
  }

  function expectRest(entry: Entry<In>): void {
    const [item] = entry.items
    if (!item || !isSlice(entry)) return
    const { window, of } = item.body as { window: string; of: number }
    const name = `${item.run} ${window}`
    const left = (expected.get(name) ?? of) - entry.items.length
    // Forgetting costs no more than batches that might have been fuller.
    if (expected.size > MOST_WINDOWS || now() - since >= pace.waitMs) expected.clear()
    if (left > 0) expected.set(name, left)
    else expected.delete(name)
  }
}
