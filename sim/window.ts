/** Counts the units spent within a sliding window of this many milliseconds. */
export function slidingWindow(lengthMs: number) {
  // Units of the same millisecond form one item, so there are at most `lengthMs`.
  const spent: { atMs: number; units: number }[] = []
  let from = 0
  let total = 0

  const forget = (nowMs: number) => {
    for (let oldest = spent[from]; oldest && oldest.atMs <= nowMs - lengthMs; oldest = spent[from]) {
      total -= oldest.units
      from += 1
    }
    if (from > spent.length / 2) {
      spent.splice(0, from)
      from = 0
    }
  }

  return {
    used(nowMs: number): number {
      forget(nowMs)
      return total
    },
    spend(nowMs: number, units: number): void {
      total += units
      const last = spent.at(-1)
      if (last?.atMs === nowMs && spent.length > from) last.units += units
      else spent.push({ atMs: nowMs, units })
    },
    /** Returns the time in ms until this many units fit the limit; 0 if they fit now. */
    freeInMs(nowMs: number, units: number, limit: number): number {
      forget(nowMs)
      let over = total + units - limit
      if (over <= 0) return 0
      for (let at = from; at < spent.length; at++) {
        const { atMs, units: freed } = spent[at] ?? { atMs: nowMs, units: 0 }
        over -= freed
        if (over <= 0) return atMs + lengthMs - nowMs
      }
      return lengthMs
    },
  }
}
