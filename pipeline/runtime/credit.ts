import { LANES, type Lane } from '../../shared/envelope.ts'
import type { MailboxId } from '../../shared/mailbox.ts'
import type { RawEntry } from '../../shared/redis/queue.ts'
import type { Pace } from '../../shared/stage.ts'
import type { Paces } from './paces.ts'

/**
 * A limit on the entries a stage of this process may have out, in batches: those in work, and those its slots can start within two calls. So
 * no process reserves work that another could start. Each lane has its own credit: bulk work never stops the reading of live work.
 */
export interface Credit {
  /** Returns how many more entries of a lane may be read, if they fill as many batches as those that are out. */
  room(lane: Lane): number
  /** Counts a read entry as a batch of its own; returns false where it is counted already. */
  take(entry: RawEntry): boolean
  /** Sets the mailbox of an opened entry and the part of a batch it fills; entries of a mailbox share batches. */
  assign(entry: RawEntry, mailbox: MailboxId, size: number): void
  /** Frees entries that are committed or that another consumer has. */
  free(entries: readonly RawEntry[]): void
  /** Returns every entry that is out. */
  out(): readonly RawEntry[]
  /** Waits until a lane has room, or an entry is freed. */
  untilRoom(): Promise<void>
}

interface Share {
  entry: RawEntry
  owner: string
  size: number
  /** The size of its owner's full batch. */
  batchSize: number
}

interface LaneCredit {
  count: number
  bytes: number
  batches: number
  /** The size that is out for each owner. */
  sizes: Map<string, number>
}

// One round in work, and two read ahead.
const ROUNDS = 3
const MAX_BYTES = 4 << 20
const LEAST_BYTES = 1024

/**
 * Creates credit for three rounds of batches and four mebibytes in each lane. Each pace with a known mailbox adds its slots; before the first
 * one, the least pace counts.
 */
export function createCredit(paces: Paces): Credit {
  const { least } = paces
  const met = new Set<Pace>()
  const out = new Map<string, Share>()
  const laneOf = (): LaneCredit => ({ count: 0, bytes: 0, batches: 0, sizes: new Map() })
  const lanes: Record<Lane, LaneCredit> = { live: laneOf(), bulk: laneOf() }
  let freed: (() => void) | undefined

  const credit: Credit = {
    room(name) {
      const { count, bytes, batches } = lanes[name]
      const most = mostBatches()
      // The next entries may all belong to different mailboxes.
      const mostAtOnce = least.calls ? most : most * batchSizeOf(least)
      if (count === 0) return mostAtOnce
      const fits = Math.min(
        ((most - batches) * count) / Math.max(1, batches),
        (MAX_BYTES - bytes) / Math.max(LEAST_BYTES, bytes / count),
      )
      return Math.max(0, Math.min(mostAtOnce, Math.floor(fits)))
    },

    take(entry) {
      const name = nameOf(entry)
      if (out.has(name)) return false
      const lane = lanes[entry.lane]
      lane.count += 1
      lane.bytes += bytesOf(entry)
      const batchSize = batchSizeOf(least)
      const share = { entry, owner: name, size: batchSize, batchSize }
      out.set(name, share)
      count(lane, share, batchSize)
      return true
    },

    assign(entry, mailbox, size) {
      const share = out.get(nameOf(entry))
      if (!share) return
      const lane = lanes[entry.lane]
      count(lane, share, -share.size)
      const pace = paces.of(mailbox)
      if (!met.has(pace)) {
        met.add(pace)
        freed?.()
      }
      Object.assign(share, { owner: mailbox, size, batchSize: batchSizeOf(pace) })
      count(lane, share, size)
    },

    free(entries) {
      for (const entry of entries) {
        const share = out.get(nameOf(entry))
        if (!share) continue
        out.delete(nameOf(entry))
        const lane = lanes[share.entry.lane]
        lane.count -= 1
        lane.bytes -= bytesOf(share.entry)
        count(lane, share, -share.size)
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

  function mostBatches(): number {
    const slots = met.size === 0 ? least.concurrency : [...met].reduce((sum, pace) => sum + pace.concurrency, 0)
    return slots * ROUNDS
  }

  function count(lane: LaneCredit, { owner, batchSize }: Share, size: number): void {
    const before = lane.sizes.get(owner) ?? 0
    const after = before + size
    lane.batches += Math.ceil(after / batchSize) - Math.ceil(before / batchSize)
    if (after > 0) lane.sizes.set(owner, after)
    else lane.sizes.delete(owner)
  }
}

function batchSizeOf({ ids, size }: Pick<Pace, 'ids' | 'size'>): number {
  return ids ?? size
}

/** Returns how much of a batch an entry fills, at most all of it; the largest slice is one batch. */
export function sizeOf({ ids }: Pick<Pace, 'ids'>, { items }: { items: readonly unknown[] }): number {
  return ids === undefined ? 1 : Math.min(ids, items.length)
}

/** Returns the unique name of an entry in its process. */
export function nameOf({ key, entryId }: RawEntry): string {
  return `${key} ${entryId}`
}

function bytesOf({ text }: RawEntry): number {
  return text?.length ?? 0
}
