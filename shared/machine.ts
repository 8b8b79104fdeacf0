import { randomBytes, randomUUID } from 'node:crypto'

/** A timer that has not fired yet. */
export interface Timer {
  /** Cancels it; does nothing once it has fired. */
  cancel(): void
  /** Lets the process end before it fires. */
  unref(): void
}

/** The clocks, timers and randomness of a pipeline. Two pipelines in one process may have different ones. */
export interface Machine {
  /** Returns this machine's time, in ms since 1970. It may be wrong, and may jump. */
  date(): number
  /** Returns the ms since any fixed moment. It never goes back. */
  elapsed(): number
  /** Returns a number from 0 to 1, for jitter. */
  random(): number
  /** Returns bytes for an id that no other process uses. */
  randomBytes(size: number): Buffer
  /** Returns an id that no other process uses. */
  uuid(): string
  /** Calls `work` once, after `ms`. */
  after(ms: number, work: () => void): Timer
  /** Calls `work` every `ms` until it is cancelled. */
  every(ms: number, work: () => void): Timer
}

/** The machine that the process runs on; the default wherever a `Machine` is taken. */
export const MACHINE: Machine = {
  date: () => Date.now(),
  elapsed: () => performance.now(),
  random: () => Math.random(),
  randomBytes: size => randomBytes(size),
  uuid: () => randomUUID(),
  after(ms, work) {
    const timer = setTimeout(work, ms)
    return { cancel: () => clearTimeout(timer), unref: () => void timer.unref() }
  },
  every(ms, work) {
    const timer = setInterval(work, ms)
    return { cancel: () => clearInterval(timer), unref: () => void timer.unref() }
  },
}
