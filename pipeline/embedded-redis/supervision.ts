import { MailError } from '../../shared/error.ts'
import { MACHINE, type Machine } from '../../shared/machine.ts'
import type { Log } from '../base/log.ts'
import { MINUTE_MS } from '../base/times.ts'
import { sleep } from '../base/wait.ts'

const CHECK_EVERY_MS = 500
const FIRST_PAUSE_MS = 250
const LONGEST_PAUSE_MS = 8000
const TRIES = 5
// A server that ends this often will end again.
const MAX_ENDS_PER_MINUTE = 5

interface Supervised {
  /** The server's name, for people. */
  name: string
  isRunning: () => Promise<boolean>
  /** Restarts it at the same address, or throws; absent where a restart is impossible. */
  restart?: () => Promise<void>
  /** The server's log, which may contain the reason. */
  logFile: string
  log: Pick<Log, 'error'>
  /** Aborts when the server is not needed any more. */
  signal: AbortSignal
  machine?: Machine
}

/**
 * Restarts a server whenever it ends, after growing pauses, and logs each end. Resolves with the reason when the server cannot be restarted,
 * or ends more than five times within a minute. Never resolves once the signal has aborted.
 */
export async function supervise(server: Supervised): Promise<MailError> {
  const { name, restart, log, logFile, signal, machine = MACHINE } = server
  const ends: number[] = []
  for (;;) {
    while (!signal.aborted && (await server.isRunning())) await sleep(CHECK_EVERY_MS, signal, machine)
    if (signal.aborted) return new Promise<never>(() => undefined)
    const now = machine.elapsed()
    ends.push(now)
    const isCrashing = ends.filter(at => now - at < MINUTE_MS).length > MAX_ENDS_PER_MINUTE
    if (!restart || isCrashing) return gone(`${name} ended${isCrashing ? ' repeatedly' : ''}`, logFile)
    log.error(`${name} ended unexpectedly; restarting it. See ${logFile}`)
    const failure = await restartWithRetries(restart, signal)
    if (failure) return gone(`${name} ended and cannot be restarted (${failure.message})`, logFile)
    if (!signal.aborted) log.error(`${name} is running again`)
  }
}

async function restartWithRetries(restart: () => Promise<void>, signal: AbortSignal): Promise<Error | undefined> {
  let pauseMs = FIRST_PAUSE_MS
  let failure: Error | undefined
  for (let tried = 0; tried < TRIES && !signal.aborted; tried += 1) {
    await sleep(pauseMs, signal)
    pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)
    if (signal.aborted) break
    try {
      await restart()
      return undefined
    } catch (error) {
      failure = error instanceof Error ? error : new Error(String(error))
    }
  }
  return signal.aborted ? undefined : failure
}

function gone(what: string, logFile: string): MailError {
  return new MailError('unavailable', `${what}; fix the error in ${logFile}, then restart mailsluice`)
}
