import { LANES, type Lane } from '../../shared/envelope.ts'
import type { Queue, RawEntry } from '../../shared/redis/queue.ts'
import type { Credit } from './credit.ts'

/** Streams to read now, and the most entries of each. */
export interface Reading {
  keys: readonly string[]
  count: number
}

/** Chooses the next streams to read within the credit; lanes take turns, and so do the streams of a lane. */
export interface StreamChoice {
  /** Returns streams to read without blocking, because one probably has more; `undefined` where none has. */
  next(): Reading | undefined
  /** Returns every stream of the lanes with room, for a blocking read. */
  all(): Reading
  /** Notes the entries of a reading, and returns them. */
  note(reading: Reading, entries: RawEntry[]): RawEntry[]
  /** Forgets which streams are busy. */
  reset(): void
}

interface LaneStreams {
  /** Least recently read first. */
  keys: string[]
  /** Streams whose last read was full, so they have more. */
  busy: Set<string>
  /** Reads in a row that returned nothing. */
  quiet: number
}

/** Creates a choice among the streams of a queue. */
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
      // The lanes alternate even where one is quiet, so neither blocks the other.
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

  // With less room than streams, a blocking read of all could return more than fits. The streams are read in turns until a round is empty.
  function hasMore(lane: Lane): boolean {
    const { keys, busy, quiet } = lanes[lane]
    return busy.size > 0 || (credit.room(lane) < keys.length && quiet < keys.length)
  }
}
