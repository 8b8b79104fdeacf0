import type { Log } from './log.ts'

/** Returns a signal that the first SIGINT or SIGTERM aborts; a second one ends the process at once. */
export function abortOnSignals(say: (text: string) => void): AbortSignal {
  const stopping = new AbortController()
  const codes = { SIGINT: 130, SIGTERM: 143 } as const
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      if (stopping.signal.aborted) process.exit(codes[name])
      say('Finishing in-flight work; press Ctrl-C again to quit now.')
      stopping.abort()
    })
  }
  return stopping.signal
}

/** Logs an uncaught error and ends the process; another process, or this one after a restart, takes over its work. */
export function exitOnUncaught(log: Log): void {
  const exit = (error: unknown) => {
    log.error({ error: error instanceof Error ? error.stack : String(error) }, 'unexpected error; exiting')
    process.exit(1)
  }
  process.on('uncaughtException', exit)
  process.on('unhandledRejection', exit)
}
