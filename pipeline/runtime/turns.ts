import { LANES, type Lane } from '../../shared/envelope.ts'
import type { MailboxId } from '../../shared/mailbox.ts'
import type { Entry } from '../../shared/redis/entry.ts'
import type { Pace } from '../../shared/stage.ts'
import { createLine, type Line } from './line.ts'

/** Entries of one mailbox and lane that are processed together; never empty. */
export interface MailboxBatch<In = unknown> {
  mailbox: MailboxId
  lane: Lane
  entries: readonly Entry<In>[]
}

/**
 * The result of a batch. `failing`: its mailbox gets one slot at a time until a batch is done. `pausedUntil` (ms since 1970): nothing was
 * done, and its entries are first when the mailbox's pause ends.
 */
export type BatchResult = 'done' | 'failing' | { pausedUntil: number }

/** The waiting entries of this process by mailbox and lane, in fair order. */
export interface Turns<In = unknown> {
  add(entry: Entry<In>): void
  /** Takes the next batch, or `undefined` while none may start. Live work is first, bulk work at least every fourth time. */
  next(): MailboxBatch<In> | undefined
  /** Returns when the next batch becomes ready (ms since 1970); infinite where none waits for a time. */
  nextAt(): number
  end(lot: MailboxBatch<In>, ending: BatchResult): void
  /** Removes the entries of a lane whose mailboxes are paused, except for one batch a slot in all. */
  takePaused(lane: Lane): { entries: readonly Entry<In>[]; pausedUntil: number }[]
}

const BULK_TURN = 4

/** Creates empty turns. */
export function createTurns<In>(pace: Pace, now: () => number): Turns<In> {
  // Mailboxes in the order of their turns.
  const lanes: Record<Lane, Map<MailboxId, Line<In>>> = { live: new Map(), bulk: new Map() }
  let liveInRow = 0

  return {
    add(entry) {
      const [item] = entry.items
      if (item) lineOf(entry.lane, item.mailbox).add(entry)
    },

    next() {
      const order = liveInRow + 1 < BULK_TURN ? LANES : LANES.toReversed()
      for (const lane of order) {
        const mailbox = nextIn(lane)
        if (mailbox === undefined) continue
        const line = lineOf(lane, mailbox)
        // Move the mailbox to the back.
        lanes[lane].delete(mailbox)
        lanes[lane].set(mailbox, line)
        liveInRow = lane === 'live' ? liveInRow + 1 : 0
        return { mailbox, lane, entries: line.take() }
      }
      return undefined
    },

    nextAt: () => Math.min(...LANES.flatMap(lane => [...lanes[lane].values()].map(line => line.ripeAt()))),

    end({ mailbox, lane, entries }, ending) {
      const line = lineOf(lane, mailbox)
      if (typeof ending === 'object') line.putBack(entries, ending.pausedUntil)
      else line.end(ending === 'failing')
      if (line.isIdle()) lanes[lane].delete(mailbox)
    },

    takePaused(lane) {
      let kept = 0
      const paused = [...lanes[lane].values()].filter(line => line.pausedUntil() > now())
      return paused.flatMap(line => {
        const entries = line.takeBeyond(Math.max(0, (pace.ids ?? pace.size) * pace.concurrency - kept))
        kept += line.filled()
        return entries.length > 0 ? [{ entries, pausedUntil: line.pausedUntil() }] : []
      })
    },
  }

  // The mailbox with the fewest batches in work; among equals, the longest without a turn.
  function nextIn(lane: Lane): MailboxId | undefined {
    let best: { mailbox: MailboxId; inWork: number } | undefined
    for (const [mailbox, line] of lanes[lane]) {
      if (!line.mayBegin()) continue
      const inWork = line.inWork()
      if (!best || inWork < best.inWork) best = { mailbox, inWork }
      if (inWork === 0) break
    }
    return best?.mailbox
  }

  function lineOf(lane: Lane, mailbox: MailboxId): Line<In> {
    const line = lanes[lane].get(mailbox) ?? createLine<In>(pace, now)
    lanes[lane].set(mailbox, line)
    return line
  }
}
