import type { Log } from './log.ts'

/** A signal that the first SIGINT or SIGTERM aborts; a second one ends the process at once. */
export function untilSignalled(say: (text: string) => void): AbortSignal {
  const stopping = new AbortController()
  const codes = { SIGINT: 130, SIGTERM: 143 } as const
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      if (stopping.signal.aborted) process.exit(codes[name])
      say('Stopping: what is under way is finished first. Once more to stop now.')
      stopping.abort()
    })
  }
  return stopping.signal
}

/** Logs what nobody caught and ends the process; its work is taken over by others, or by itself when it is back. */
export function diesLoudly(log: Log): void {
  const die = (error: unknown) => {
    log.error({ error: error instanceof Error ? error.stack : String(error) }, 'unexpected error; this process ends')
    process.exit(1)
  }
  process.on('uncaughtException', die)
  process.on('unhandledRejection', die)
}
