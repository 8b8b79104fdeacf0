import { LANES, type Lane } from '../../shared/envelope.ts'
import type { MailboxId } from '../../shared/mailbox.ts'
import type { Entry } from '../../shared/redis/entry.ts'
import type { Pace } from '../../shared/stage.ts'
import { createLine, type Line } from './line.ts'

/** Entries of one mailbox and lane that are worked on together; never none. */
export interface Lot<In = unknown> {
  mailbox: MailboxId
  lane: Lane
  entries: readonly Entry<In>[]
}

/**
 * What became of a batch. `failing`: its mailbox gets one slot at a time until a batch is done. `restUntil` (ms since 1970): nothing was
 * done, its entries come first when the mailbox's rest is over.
 */
export type Ending = 'done' | 'failing' | { restUntil: number }

/** Entries that wait in this process, by mailbox and lane, and whose turn it is. */
export interface Turns<In = unknown> {
  add(entry: Entry<In>): void
  /** The next batch, or `undefined` while nothing may begin. Live work goes first, bulk work at least every fourth time. */
  next(): Lot<In> | undefined
  /** When something may begin that may not now (ms since 1970); infinite where nothing waits for its time. */
  nextAt(): number
  end(lot: Lot<In>, ending: Ending): void
  /** Gives up what waits in a lane for the rest of its mailbox to be over, but for one batch a slot in all. */
  takeResting(lane: Lane): { entries: readonly Entry<In>[]; restUntil: number }[]
}

const BULK_TURN = 4

/** Nobody waits yet. */
export function createTurns<In>(pace: Pace, now: () => number): Turns<In> {
  // In the order in which it is their turn.
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
        // To the end of the queue.
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
      if (typeof ending === 'object') line.putBack(entries, ending.restUntil)
      else line.end(ending === 'failing')
      if (line.isIdle()) lanes[lane].delete(mailbox)
    },

    takeResting(lane) {
      let kept = 0
      const resting = [...lanes[lane].values()].filter(line => line.restUntil() > now())
      return resting.flatMap(line => {
        const entries = line.takeBeyond(Math.max(0, (pace.ids ?? pace.size) * pace.concurrency - kept))
        kept += line.filled()
        return entries.length > 0 ? [{ entries, restUntil: line.restUntil() }] : []
      })
    },
  }

  // Who has fewest batches in work, and of those who had no turn for longest.
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
