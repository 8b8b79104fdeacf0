import type { Config } from '../../shared/config.ts'
import { MailError } from '../../shared/error.ts'
import { MACHINE, type Machine } from '../../shared/machine.ts'
import { probeServer, troubleOf } from '../../shared/redis/trouble.ts'
import { type AppContext, openApp } from './app.ts'
import type { Log } from './log.ts'
import { redisTls } from './redis-tls.ts'
import type { Surroundings } from './surroundings.ts'
import type { Terminal } from './terminal.ts'
import { sleep } from './wait.ts'

const FIRST_PAUSE_MS = 250
const LONGEST_PAUSE_MS = 5000
const LONG_ATTEMPT_MS = 15_000

/** How a process waits for a Redis that cannot serve. */
export interface RedisWait {
  signal: AbortSignal
  /** The longest wait in ms; without a limit where absent. */
  timeoutMs?: number
  /** Receives the reason for the wait, once until it changes. */
  onWait: (reason: string) => void
  /** Called when Redis serves again, with the length of the wait. */
  onReady?: (waitedMs: number) => void
  /** Its clock and timers measure the wait. */
  machine?: Machine
}

/**
 * Retries the work with growing pauses of at most five seconds while Redis cannot serve: while it is absent, loading, full, a replica, or
 * refuses the password or a command. Throws the reason after `timeoutMs` or when the signal aborts. Throws any other error at once.
 */
export async function retryUntilServing<T>(url: string, work: () => Promise<T>, wait: RedisWait): Promise<T> {
  const { signal, timeoutMs = Number.POSITIVE_INFINITY, onWait, onReady, machine = MACHINE } = wait
  const { elapsed } = machine
  let since = elapsed()
  let reported = ''
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
    const triedAt = elapsed()
    try {
      const result = await work()
      if (reported) onReady?.(Math.round(triedAt - since))
      return result
    } catch (error) {
      const trouble = troubleOf(error, url)
      // An attempt that ran this long had connected: its failure starts a new outage.
      if (elapsed() - triedAt > LONG_ATTEMPT_MS) since = elapsed()
      const leftMs = since + timeoutMs - elapsed()
      if (!trouble) throw error
      if (signal.aborted || leftMs <= 0) throw trouble
      if (trouble.message !== reported) onWait(trouble.message)
      reported = trouble.message
      await sleep(Math.min(pauseMs, leftMs), signal, machine)
    }
  }
}

/** Connects as `openApp` does, once Redis serves. With `reads`, a Redis that accepts no writes is enough. */
export function awaitApp(
  config: Config,
  url: string,
  { reads = false, surroundings, ...wait }: RedisWait & { reads?: boolean; surroundings?: Surroundings },
): Promise<AppContext> {
  const machine = surroundings ? { machine: surroundings.machine } : {}
  const open = async () => {
    await probeServer(url, { writes: !reads, tls: redisTls(config), ...machine })
    return openApp(config, url, surroundings)
  }
  return retryUntilServing(url, open, { ...machine, ...wait })
}

/** Waits without a limit and logs the wait; for long-running processes. */
export function waitForever(signal: AbortSignal, log: Pick<Log, 'warn' | 'info'>): RedisWait {
  return {
    signal,
    onWait: error => log.warn({ error }, 'Redis unavailable; retrying'),
    onReady: waitedMs => log.info({ waitedMs }, 'Redis available again'),
  }
}

/** Waits for REDIS_WAIT seconds and says so on stderr; for commands. */
export function waitBriefly({
  config: { REDIS_WAIT },
  signal,
  terminal,
  surroundings: { machine },
}: {
  config: Pick<Config, 'REDIS_WAIT'>
  signal: AbortSignal
  terminal: Pick<Terminal, 'err'>
  surroundings: Pick<Surroundings, 'machine'>
}): RedisWait {
  const until = REDIS_WAIT === 1 ? '1 second' : `${REDIS_WAIT} seconds`
  return {
    signal,
    machine,
    timeoutMs: REDIS_WAIT * 1000,
    onWait: reason => terminal.err(`mailsluice: ${reason}. Waiting up to ${until}.`),
  }
}

/** Returns whether a wait failed because the process is stopping. */
export function isStopped(error: unknown, { aborted }: AbortSignal): boolean {
  return aborted && error instanceof MailError
}
