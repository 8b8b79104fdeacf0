import { setTimeout as timeout } from 'node:timers/promises'

/** Waits, or returns at once when the signal is aborted. */
export async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  await timeout(ms, undefined, signal ? { signal } : {}).catch(() => undefined)
}

/** What the work comes to, or `undefined` when it takes longer than this; it is not stopped then. */
export async function within<T>(work: Promise<T>, ms: number): Promise<T | undefined> {
  const done = new AbortController()
  try {
    return await Promise.race([work, sleep(ms, done.signal).then(() => undefined)])
  } finally {
    done.abort()
  }
}

/** Resolves when the signal aborts, at once where it has. Waiting alone does not keep a process up. */
export async function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  await new Promise<void>(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
}
