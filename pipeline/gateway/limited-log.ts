import type { Log } from '../base/log.ts'
import { MINUTE_MS } from './post.ts'

/** What is told of something that anybody can cause: how bad it is, what happened, and facts of the last time. */
export interface Reported {
  level: 'warn' | 'error'
  text: string
  /** What tells kinds of one text apart: a reason, a mailbox. */
  kind?: string
  /** How many of them it was at once. */
  count?: number
  facts?: object
}

/** A log for what anybody can cause. */
export interface LimitedLog {
  tell(reported: Reported): void
  /** Tells what was not told yet. */
  stop(): void
}

interface Ongoing {
  reported: Reported
  count: number
  timer: NodeJS.Timeout
}

// More kinds than these are told of by their text alone, of which there are about ten: so there are at most some thirty lines at once.
const MOST_KINDS = 20

/** Tells of the first of a kind at once, and of all that follow in one line a minute with their count, however many there are. */
export function createLimitedLog(log: Log, everyMs = MINUTE_MS): LimitedLog {
  const ongoing = new Map<string, Ongoing>()

  return {
    tell(reported) {
      const { text, kind, count = 1 } = reported
      const name =
        kind === undefined || (ongoing.size >= MOST_KINDS && !ongoing.has(`${text} ${kind}`)) ? text : `${text} ${kind}`
      const known = ongoing.get(name)
      if (known) {
        known.reported = reported
        known.count += count
        return
      }
      say(reported, count)
      ongoing.set(name, { reported, count: 0, timer: setInterval(() => sum(name), everyMs).unref() })
    },

    stop() {
      for (const name of [...ongoing.keys()]) {
        sum(name)
        forget(name)
      }
    },
  }

  function sum(name: string): void {
    const known = ongoing.get(name)
    if (!known || known.count === 0) {
      forget(name)
      return
    }
    say(known.reported, known.count)
    known.count = 0
  }

  function say({ level, text, facts = {} }: Reported, count: number): void {
    log[level]({ ...facts, count }, text)
  }

  function forget(name: string): void {
    clearInterval(ongoing.get(name)?.timer)
    ongoing.delete(name)
  }
}
