import type { Log } from '../base/log.ts'

const MINUTE_MS = 60_000

/** Returns a function that warns of unreadable cached entries: at once, and then once a minute with their number since the last warning. */
export function warnOfInvalid(log: Pick<Log, 'warn'>, everyMs = MINUTE_MS): (count: number) => void {
  let waiting = 0
  let isQuiet = false

  return count => {
    waiting += count
    if (!isQuiet) warn()
  }

  function warn(): void {
    isQuiet = waiting > 0
    if (!isQuiet) return
    log.warn({ count: waiting }, 'Invalid cache data')
    waiting = 0
    setTimeout(warn, everyMs).unref()
  }
}
