import type { Log } from '../base/log.ts'
import { MINUTE_MS } from './post.ts'

/** What is told of something that anybody can cause: how bad it is, what happened, and facts of the last time. */
export interface Told {
  level: 'warn' | 'error'
  text: string
  /** What tells kinds of one text apart: a reason, a mailbox. */
  kind?: string
  /** How many of them it was at once. */
  count?: number
  facts?: object
}

/** A log for what anybody can cause. */
export interface Telling {
  tell(told: Told): void
  /** Tells what was not told yet. */
  stop(): void
}

interface Ongoing {
  told: Told
  count: number
  timer: NodeJS.Timeout
}

// More kinds than these are told of by their text alone, of which there are about ten: so there are at most some thirty lines at once.
const MOST_KINDS = 20

/** Tells of the first of a kind at once, and of all that follow in one line a minute with their count, however many there are. */
export function openTelling(log: Log, everyMs = MINUTE_MS): Telling {
  const ongoing = new Map<string, Ongoing>()

  return {
    tell(told) {
      const { text, kind, count = 1 } = told
      const name =
        kind === undefined || (ongoing.size >= MOST_KINDS && !ongoing.has(`${text} ${kind}`)) ? text : `${text} ${kind}`
      const known = ongoing.get(name)
      if (known) {
        known.told = told
        known.count += count
        return
      }
      say(told, count)
      ongoing.set(name, { told, count: 0, timer: setInterval(() => sum(name), everyMs).unref() })
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
    say(known.told, known.count)
    known.count = 0
  }

  function say({ level, text, facts = {} }: Told, count: number): void {
    log[level]({ ...facts, count }, text)
  }

  function forget(name: string): void {
    clearInterval(ongoing.get(name)?.timer)
    ongoing.delete(name)
  }
}
