import { LANES, type Lane } from '../../shared/envelope.ts'
import type { Queue, RawEntry } from '../../shared/redis/queue.ts'
import type { Credit } from './credit.ts'

/** Streams to read now, and how many entries of each at most. */
export interface Reading {
  keys: readonly string[]
  count: number
}

/** Chooses which streams are read next, and how much of each there is credit for: the lanes take turns, and so do the streams of a lane. */
export interface StreamChoice {
  /** Streams to be read without waiting, because some stream is likely to hold more; `undefined` where none is. */
  next(): Reading | undefined
  /** Every stream of the lanes that have room, to be waited for. */
  all(): Reading
  /** Takes note of what a reading brought, and gives it back. */
  note(reading: Reading, entries: RawEntry[]): RawEntry[]
  /** Forgets what it knows. */
  reset(): void
}

interface LaneStreams {
  /** The stream that was not read for longest comes first. */
  keys: string[]
  /** Those that gave all that was asked for: they have more. */
  busy: Set<string>
  /** How many looks in a row brought nothing. */
  quiet: number
}

/** A choice among the streams of a queue. */
export function createStreamChoice(queue: Pick<Queue, 'keys' | 'laneOf'>, credit: Pick<Credit, 'room'>): StreamChoice {
  const streamsOf = (lane: Lane): LaneStreams => ({
    keys: queue.keys.filter(key => queue.laneOf(key) === lane),
    busy: new Set(),
    quiet: 0,
  })
  const lanes: Record<Lane, LaneStreams> = { live: streamsOf('live'), bulk: streamsOf('bulk') }
  let last: Lane = 'bulk'

  return {
    next() {
      const roomy = LANES.filter(hasRoom)
      if (!roomy.some(hasMore)) return undefined
      // The other lane is looked at in between, whatever it has: neither waits for the other.
      const lane = roomy.find(one => one !== last) ?? last
      last = lane
      const { keys, busy } = lanes[lane]
      const room = credit.room(lane)
      const chosen = (busy.size > 0 ? keys.filter(key => busy.has(key)) : keys).slice(0, room)
      lanes[lane].keys = [...keys.filter(key => !chosen.includes(key)), ...chosen]
      return { keys: chosen, count: Math.floor(room / chosen.length) }
    },

    all() {
      const roomy = LANES.filter(hasRoom)
      const counts = roomy.map(lane => Math.floor(credit.room(lane) / lanes[lane].keys.length))
      return { keys: roomy.flatMap(lane => lanes[lane].keys), count: Math.max(1, Math.min(...counts)) }
    },

    note({ keys, count }, entries) {
      const found = new Map<string, number>()
      for (const { key } of entries) found.set(key, (found.get(key) ?? 0) + 1)
      for (const key of keys) {
        const lane = lanes[queue.laneOf(key)]
        const got = found.get(key) ?? 0
        if (got >= count) lane.busy.add(key)
        else lane.busy.delete(key)
        lane.quiet = got > 0 ? 0 : lane.quiet + 1
      }
      return entries
    },

    reset() {
      for (const lane of LANES) Object.assign(lanes[lane], { busy: new Set(), quiet: 0 })
    },
  }

  function hasRoom(lane: Lane): boolean {
    return lanes[lane].keys.length > 0 && credit.room(lane) > 0
  }

  // Where there is less room than there are streams, waiting for all of them may bring more than there is room for: they are looked at in
  // turns first, until a round has found nothing.
  function hasMore(lane: Lane): boolean {
    const { keys, busy, quiet } = lanes[lane]
    return busy.size > 0 || (credit.room(lane) < keys.length && quiet < keys.length)
  }
}
