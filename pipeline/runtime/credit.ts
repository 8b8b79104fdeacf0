import { LANES, type Lane } from '../../shared/envelope.ts'
import type { RawEntry } from '../../shared/redis/queue.ts'
import type { Pace } from '../../shared/stage.ts'

/**
 * What a stage of this process may hold, counted in batches: those in work, and those its slots can begin within two calls. So no process
 * keeps work that another could begin. Each lane has credit of its own: bulk work that fills its credit never stops the reading of live work.
 */
export interface Credit {
  /** How many more entries of a lane may be read, if they make as many batches as those that are out. */
  room(lane: Lane): number
  /** Counts an entry that was read, as a batch of its own; false where it is counted already. */
  take(entry: RawEntry): boolean
  /** Says whose entry it is and how much of a batch it fills, now that it was opened: it shares batches with others of its mailbox. */
  assign(entry: RawEntry, mailbox: string, size: number): void
  /** These entries are committed, or another has them. */
  free(entries: readonly RawEntry[]): void
  /** Every entry that is out. */
  out(): readonly RawEntry[]
  /** Waits until one of the lanes has room, or something is freed. */
  untilRoom(): Promise<void>
}

interface Share {
  entry: RawEntry
  owner: string
  size: number
}

interface LaneCredit {
  count: number
  bytes: number
  batches: number
  /** How much is out of each owner. */
  sizes: Map<string, number>
}

// In work, and twice as much ahead.
const ROUNDS = 3
const MOST_BYTES = 4 << 20
const LEAST_BYTES = 1024

/** Credit for three rounds of the pace's batches, and for four mebibytes, each lane. */
export function createCredit(pace: Omit<Pace, 'waitMs'>): Credit {
  const batchSize = pace.ids ?? pace.size
  const most = pace.concurrency * ROUNDS
  // Entries that come may all be of different mailboxes, whatever those were that came before.
  const mostAtOnce = pace.calls ? most : most * batchSize
  const out = new Map<string, Share>()
  const laneOf = (): LaneCredit => ({ count: 0, bytes: 0, batches: 0, sizes: new Map() })
  const lanes: Record<Lane, LaneCredit> = { live: laneOf(), bulk: laneOf() }
  let freed: (() => void) | undefined

  const credit: Credit = {
    room(name) {
      const { count, bytes, batches } = lanes[name]
      if (count === 0) return mostAtOnce
      const fits = Math.min(
        ((most - batches) * count) / Math.max(1, batches),
        (MOST_BYTES - bytes) / Math.max(LEAST_BYTES, bytes / count),
      )
      return Math.max(0, Math.min(mostAtOnce, Math.floor(fits)))
    },

    take(entry) {
      const name = nameOf(entry)
      if (out.has(name)) return false
      const lane = lanes[entry.lane]
      lane.count += 1
      lane.bytes += bytesOf(entry)
      out.set(name, { entry, owner: name, size: batchSize })
      count(lane, name, batchSize)
      return true
    },

    assign(entry, mailbox, size) {
      const share = out.get(nameOf(entry))
      if (!share) return
      const lane = lanes[entry.lane]
      count(lane, share.owner, -share.size)
      Object.assign(share, { owner: mailbox, size })
      count(lane, mailbox, size)
    },

    free(entries) {
      for (const entry of entries) {
        const share = out.get(nameOf(entry))
        if (!share) continue
        out.delete(nameOf(entry))
        const lane = lanes[share.entry.lane]
        lane.count -= 1
        lane.bytes -= bytesOf(share.entry)
        count(lane, share.owner, -share.size)
      }
      freed?.()
    },

    out: () => [...out.values()].map(({ entry }) => entry),

    async untilRoom() {
      if (LANES.some(lane => credit.room(lane) > 0)) return
      await new Promise<void>(resolve => {
        freed = resolve
      })
    },
  }
  return credit

  function count(lane: LaneCredit, owner: string, size: number): void {
    const before = lane.sizes.get(owner) ?? 0
    const after = before + size
    lane.batches += Math.ceil(after / batchSize) - Math.ceil(before / batchSize)
    if (after > 0) lane.sizes.set(owner, after)
    else lane.sizes.delete(owner)
  }
}

/** How much of a batch an entry fills: all of it at most, for the largest slice is one batch. */
export function sizeOf({ ids }: Pick<Pace, 'ids'>, { items }: { items: readonly unknown[] }): number {
  return ids === undefined ? 1 : Math.min(ids, items.length)
}

/** What names an entry in its process. */
export function nameOf({ key, entryId }: RawEntry): string {
  return `${key} ${entryId}`
}

function bytesOf({ text }: RawEntry): number {
  return text?.length ?? 0
}
