import type { Redis } from 'ioredis'
import { MACHINE, type Machine } from '../machine.ts'

/** A server's clock, as estimated by this process. */
export interface ServerClock {
  /** Milliseconds since 1970; whole. */
  now(): number
  /** Stops the comparisons; the clock keeps running. */
  stop(): void
}

const COMPARE_EVERY_MS = 60_000
// A slower answer says too little about when the server read its clock.
const SLOW_MS = 500

/**
 * Estimates the server's time from this machine's monotonic clock, so that all processes agree however wrong their own clocks are. Compares
 * now, at every reconnect and once a minute. Throws when the server does not answer the first time.
 */
export async function openClock(redis: Redis, { elapsed, every }: Machine = MACHINE): Promise<ServerClock> {
  let ahead = await compare()
  const again = () => void compare(SLOW_MS).then(set, () => undefined)
  const timer = every(COMPARE_EVERY_MS, again)
  timer.unref()
  redis.on('ready', again)

  return {
    now: () => Math.floor(elapsed() + ahead),
    stop() {
      timer.cancel()
      redis.off('ready', again)
    },
  }

  function set(measured: number): void {
    ahead = measured
  }

  async function compare(slowMs = Number.POSITIVE_INFINITY): Promise<number> {
    const before = elapsed()
    const [seconds, micros] = await redis.time()
    const after = elapsed()
    if (after - before > slowMs) throw new Error('the server answered TIME too slowly')
    return Number(seconds) * 1000 + Number(micros) / 1000 - (before + after) / 2
  }
}
