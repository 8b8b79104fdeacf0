import { MACHINE, type Machine, type Timer } from '../../shared/machine.ts'
import type { Log } from '../base/log.ts'
import { MINUTE_MS } from './post.ts'

/** An event that any client can cause: its level, its text, and the facts of the last occurrence. */
export interface LimitedEvent {
  level: 'warn' | 'error'
  text: string
  /** Distinguishes events with the same text: a reason, a mailbox. */
  kind?: string
  /** The number of occurrences in this event. */
  count?: number
  facts?: object
}

/** A rate-limited log for events that any client can cause. */
export interface LimitedLog {
  report(event: LimitedEvent): void
  /** Logs the events counted since the last line. */
  stop(): void
}

interface Ongoing {
  event: LimitedEvent
  count: number
  timer: Timer
}

// Beyond this number, events are grouped by text only. There are about ten texts, so at most thirty lines at once.
const MAX_KINDS = 20

/** Creates a log that writes the first event of a kind at once, and the following ones as one line per minute with their count. */
export function createLimitedLog(
  log: Log,
  everyMs = MINUTE_MS,
  { every }: Pick<Machine, 'every'> = MACHINE,
): LimitedLog {
  const ongoing = new Map<string, Ongoing>()

  return {
    report(event) {
      const { text, kind, count = 1 } = event
      const name =
        kind === undefined || (ongoing.size >= MAX_KINDS && !ongoing.has(`${text} ${kind}`)) ? text : `${text} ${kind}`
      const known = ongoing.get(name)
      if (known) {
        known.event = event
        known.count += count
        return
      }
      write(event, count)
      const timer = every(everyMs, () => writeSummary(name))
      timer.unref()
      ongoing.set(name, { event, count: 0, timer })
    },

    stop() {
      for (const name of [...ongoing.keys()]) {
        writeSummary(name)
        forget(name)
      }
    },
  }

  function writeSummary(name: string): void {
    const known = ongoing.get(name)
    if (!known || known.count === 0) {
      forget(name)
      return
    }
    write(known.event, known.count)
    known.count = 0
  }

  function write({ level, text, facts = {} }: LimitedEvent, count: number): void {
    log[level]({ ...facts, count }, text)
  }

  function forget(name: string): void {
    ongoing.get(name)?.timer.cancel()
    ongoing.delete(name)
  }
}
