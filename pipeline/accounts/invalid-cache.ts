import type { Log } from '../base/log.ts'

const MINUTE_MS = 60_000

/** Warns of cached entries that cannot be read: at once, and then once a minute with how many there were since. */
export function warnOfInvalid(log: Pick<Log, 'warn'>, everyMs = MINUTE_MS): (count: number) => void {
  let waiting = 0
  let isQuiet = false

  return count => {
    waiting += count
    if (!isQuiet) tell()
  }

  function tell(): void {
    isQuiet = waiting > 0
    if (!isQuiet) return
    log.warn({ count: waiting }, 'Invalid cache data')
    waiting = 0
    setTimeout(tell, everyMs).unref()
  }
}
