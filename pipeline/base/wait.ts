import { setTimeout as timeout } from 'node:timers/promises'

/** Waits for `ms`; returns early when the signal aborts. */
export async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  await timeout(ms, undefined, signal ? { signal } : {}).catch(() => undefined)
}

/** Waits like `sleep`, but does not keep the process alive. */
export async function sleepUnref(ms: number, signal?: AbortSignal): Promise<void> {
  await timeout(ms, undefined, { ref: false, ...(signal ? { signal } : {}) }).catch(() => undefined)
}

/** Returns the result of the work, or `undefined` after `ms`; the work itself is not stopped. */
export async function within<T>(work: Promise<T>, ms: number): Promise<T | undefined> {
  const done = new AbortController()
  try {
    return await Promise.race([work, sleep(ms, done.signal).then(() => undefined)])
  } finally {
    done.abort()
  }
}

/** Resolves when the signal aborts, at once if it already has. The wait alone does not keep the process alive. */
export async function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  await new Promise<void>(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
}
