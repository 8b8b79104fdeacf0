import { setMaxListeners } from 'node:events'
import { MACHINE, type Machine } from '../../shared/machine.ts'

/** Waits for `ms`; returns early when the signal aborts. */
export function sleep(ms: number, signal?: AbortSignal, machine: Pick<Machine, 'after'> = MACHINE): Promise<void> {
  return wait(ms, { signal, machine, unref: false })
}

/** Waits like `sleep`, but does not keep the process alive. */
export function sleepUnref(ms: number, signal?: AbortSignal, machine: Pick<Machine, 'after'> = MACHINE): Promise<void> {
  return wait(ms, { signal, machine, unref: true })
}

/** Returns the result of the work, or `undefined` after `ms`; the work itself is not stopped. */
export async function within<T>(
  work: Promise<T>,
  ms: number,
  machine: Pick<Machine, 'after'> = MACHINE,
): Promise<T | undefined> {
  const done = new AbortController()
  try {
    return await Promise.race([work, sleep(ms, done.signal, machine).then(() => undefined)])
  } finally {
    done.abort()
  }
}

/** Returns the result of the work, whose signal aborts after `ms`. */
export async function limited<T>(
  ms: number,
  { after }: Pick<Machine, 'after'>,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const late = new AbortController()
  const timer = after(ms, () => late.abort())
  try {
    return await work(late.signal)
  } finally {
    timer.cancel()
  }
}

/** Resolves when the signal aborts, at once if it already has. The wait alone does not keep the process alive. */
export async function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  await new Promise<void>(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
}

async function wait(
  ms: number,
  { signal, machine, unref }: { signal: AbortSignal | undefined; machine: Pick<Machine, 'after'>; unref: boolean },
): Promise<void> {
  if (signal?.aborted) return
  await new Promise<void>(resolve => {
    const end = () => {
      timer.cancel()
      signal?.removeEventListener('abort', end)
      resolve()
    }
    const timer = machine.after(ms, end)
    if (unref) timer.unref()
    signal?.addEventListener('abort', end)
  })
}

/** Creates an abort controller whose signal any number of calls may listen to. */
export function abortForMany(): AbortController {
  const aborting = new AbortController()
  setMaxListeners(0, aborting.signal)
  return aborting
}
