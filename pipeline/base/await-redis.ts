import type { Config } from '../../shared/config.ts'
import { MailError } from '../../shared/error.ts'
import { probeServer, troubleOf } from '../../shared/redis/trouble.ts'
import { type AppContext, openApp } from './app.ts'
import type { Log } from './log.ts'
import { redisTls } from './redis-tls.ts'
import { err } from './terminal.ts'
import { sleep } from './wait.ts'

const FIRST_PAUSE_MS = 250
const LONGEST_PAUSE_MS = 5000
const ANEW_AFTER_MS = 15_000

/** How a process meets a Redis that cannot serve. */
export interface Patience {
  signal: AbortSignal
  /** How long it waits; without it as long as it takes. */
  patienceMs?: number
  /** Told what is wrong, once for each thing in a row that is. */
  waits: (reason: string) => void
  /** Told when Redis serves again, after a wait of so long. */
  goesOn?: (waitedMs: number) => void
}

/**
 * Does the work again, after growing pauses of five seconds at most, until Redis is not in its way any more: absent, loading, full, a
 * replica, or refusing the password or a command. Throws what is wrong once the patience is over or the signal aborts, and any other error at once.
 */
export async function insist<T>(url: string, work: () => Promise<T>, patience: Patience): Promise<T> {
  const { signal, patienceMs = Number.POSITIVE_INFINITY, waits, goesOn } = patience
  let since = performance.now()
  let reported = ''
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
    const triedAt = performance.now()
    try {
      const result = await work()
      if (reported) goesOn?.(Math.round(triedAt - since))
      return result
    } catch (error) {
      const trouble = troubleOf(error, url)
      // Work that was under way for longer has met a trouble of its own.
      if (performance.now() - triedAt > ANEW_AFTER_MS) since = performance.now()
      const leftMs = since + patienceMs - performance.now()
      if (!trouble) throw error
      if (signal.aborted || leftMs <= 0) throw trouble
      if (trouble.message !== reported) waits(trouble.message)
      reported = trouble.message
      await sleep(Math.min(pauseMs, leftMs), signal)
    }
  }
}

/** Connects as `openApp` does, to a Redis that serves; with `reads` one that takes no writes will do. */
export function awaitApp(
  config: Config,
  url: string,
  { reads = false, ...patience }: Patience & { reads?: boolean },
): Promise<AppContext> {
  const open = async () => {
    await probeServer(url, { writes: !reads, tls: redisTls(config) })
    return openApp(config, url)
  }
  return insist(url, open, patience)
}

/** The patience of a process that stays: without end, and told in its log. */
export function endless(signal: AbortSignal, log: Pick<Log, 'warn' | 'info'>): Patience {
  return {
    signal,
    waits: error => log.warn({ error }, 'Redis cannot be used yet; waiting for it'),
    goesOn: waitedMs => log.info({ waitedMs }, 'Redis can be used; going on'),
  }
}

/** The patience of a command: REDIS_WAIT seconds, told on stderr. */
export function brief({ REDIS_WAIT }: Pick<Config, 'REDIS_WAIT'>, signal: AbortSignal): Patience {
  const until = REDIS_WAIT === 1 ? '1 second' : `${REDIS_WAIT} seconds`
  return {
    signal,
    patienceMs: REDIS_WAIT * 1000,
    waits: reason => err(`mailsluice: ${reason}. Waiting up to ${until}.`),
  }
}

/** Whether the error is that of a process which was told to stop while it waited. */
export function isStopped(error: unknown, { aborted }: AbortSignal): boolean {
  return aborted && error instanceof MailError
}
