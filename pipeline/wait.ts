import { setTimeout as timeout } from 'node:timers/promises'

/** Waits, or returns at once when the signal is aborted. */
export async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  await timeout(ms, undefined, signal ? { signal } : {}).catch(() => undefined)
}
