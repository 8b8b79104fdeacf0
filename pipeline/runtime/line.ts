import { type Entry, isSlice } from '../../shared/redis/entry.ts'
import type { Pace } from '../../shared/stage.ts'
import { sizeOf } from './credit.ts'

/** The waiting entries of one mailbox and lane, and the number of its batches in work. */
export interface Line<In> {
  add(entry: Entry<In>): void
  /** Returns whether a batch may start now. */
  mayBegin(): boolean
  /** Returns when a batch may start at the latest (ms since 1970); infinite while that depends on the end of another batch. */
  ripeAt(): number
  /** Takes the next batch: the waiting entries, up to the pace's size. */
  take(): Entry<In>[]
  /** Takes the waiting entries beyond this size; those within it stay. */
  takeBeyond(size: number): Entry<In>[]
  /** Returns the size that waits, in the unit of the pace's size. */
  filled(): number
  /** Ends a batch. A failing line has one batch in work at a time. */
  end(failing: boolean): void
  /** Returns an unprocessed batch to the front; no batch starts before `pausedUntil` (ms since 1970). */
  putBack(entries: readonly Entry<In>[], pausedUntil: number): void
  pausedUntil(): number
  inWork(): number
  /** Returns whether the line has no entries, no batch in work, and no state to keep. */
  isIdle(): boolean
}

const MAX_WINDOWS = 100

/** Creates an empty line. */
export function createLine<In>(pace: Pace, now: () => number): Line<In> {
  const size = pace.ids ?? pace.size
  let waiting: Entry<In>[] = []
  let filled = 0
  let [inWork, failing, pausedUntil, since] = [0, false, 0, 0]
  // Ids still to arrive, by partly arrived window.
  const expected = new Map<string, number>()

  return {
    add(entry) {
      if (waiting.length === 0) since = now()
      waiting.push(entry)
      filled += sizeOf(pace, entry)
      if (pace.waitMs > 0) expectRest(entry)
    },

    mayBegin: () => waiting.length > 0 && now() >= pausedUntil && !(failing && inWork > 0) && isRipe(),

    ripeAt() {
      if (waiting.length === 0 || (failing && inWork > 0)) return Number.POSITIVE_INFINITY
      return Math.max(pausedUntil, isRipe() ? 0 : since + pace.waitMs)
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
      pausedUntil = Math.max(pausedUntil, until)
      waiting = [...entries, ...waiting]
      filled += entries.reduce((sum, entry) => sum + sizeOf(pace, entry), 0)
    },

    pausedUntil: () => pausedUntil,
    inWork: () => inWork,
    isIdle: () => waiting.length === 0 && inWork === 0 && !failing && now() >= pausedUntil,
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

  // A small batch waits for the rest of its windows, where that may still arrive.
  function isRipe(): boolean {
    return filled >= size || expected.size === 0 || now() - since >= pace.waitMs
  }

  function expectRest(entry: Entry<In>): void {
    const [item] = entry.items
    if (!item || !isSlice(entry)) return
    const { window, of } = item.body as { window: string; of: number }
    const name = `${item.run} ${window}`
    const left = (expected.get(name) ?? of) - entry.items.length
    // Forgotten windows only make batches smaller.
    if (expected.size > MAX_WINDOWS || now() - since >= pace.waitMs) expected.clear()
    if (left > 0) expected.set(name, left)
    else expected.delete(name)
  }
}
