import { MailError } from '../../shared/error.ts'
import type { Log } from '../base/log.ts'
import { sleep } from '../base/wait.ts'

const LOOK_EVERY_MS = 500
const FIRST_PAUSE_MS = 250
const LONGEST_PAUSE_MS = 8000
const TRIES = 5
// A server that ends so often in so short a time will end again.
const MOST_ENDS = 5
const WITHIN_MS = 60_000

interface Supervised {
  /** For people: which server it is. */
  name: string
  isRunning: () => Promise<boolean>
  /** Starts it again where it was; throws when that cannot be. Without it nothing can. */
  restart?: () => Promise<void>
  /** Where the server may have said why it ended. */
  logFile: string
  log: Pick<Log, 'error'>
  /** Aborted when the server is not needed any more. */
  signal: AbortSignal
}

/**
 * Watches over a server and starts it again when it has ended, after growing pauses; each end is said. Resolves with what is wrong when it cannot be
 * started again, or ends five times within a minute. Never resolves once the signal has aborted.
 */
export async function supervise(server: Supervised): Promise<MailError> {
  const { name, restart, log, logFile, signal } = server
  const ends: number[] = []
  for (;;) {
    while (!signal.aborted && (await server.isRunning())) await sleep(LOOK_EVERY_MS, signal)
    if (signal.aborted) return new Promise<never>(() => undefined)
    const now = performance.now()
    ends.push(now)
    const isRestless = ends.filter(at => now - at < WITHIN_MS).length > MOST_ENDS
    if (!restart || isRestless) return gone(`${name} ended${isRestless ? ' again and again' : ''}`, logFile)
    log.error(`${name} ended by itself: starting it again; ${logFile} may say why`)
    const failure = await again(restart, signal)
    if (failure) return gone(`${name} ended and cannot be started again (${failure.message})`, logFile)
    if (!signal.aborted) log.error(`${name} is running again`)
  }
}

async function again(restart: () => Promise<void>, signal: AbortSignal): Promise<Error | undefined> {
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
  return new MailError('unavailable', `${what}: mend what ${logFile} tells, then start mailsluice again`)
}
