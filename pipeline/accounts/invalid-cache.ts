import { MACHINE, type Machine } from '../../shared/machine.ts'
import type { Log } from '../base/log.ts'

const MINUTE_MS = 60_000

/** Returns a function that warns of unreadable cached entries: at once, and then once a minute with their number since the last warning. */
export function warnOfInvalid(
  log: Pick<Log, 'warn'>,
  { machine = MACHINE, everyMs = MINUTE_MS }: { machine?: Pick<Machine, 'after'>; everyMs?: number } = {},
): (count: number) => void {
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
    machine.after(everyMs, warn).unref()
  }
}
