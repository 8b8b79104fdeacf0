import { isConnectionError } from '../../shared/redis/connect.ts'

const RETRY_MS = 50
const TAMPERED = /\b(NOPERM|WRONGTYPE)\b/

/** Repeats work until it succeeds while Redis is unavailable or tampered with; returns silently when aborted. */
export async function insist(
  work: () => Promise<unknown>,
  signal: AbortSignal,
  pause: (ms: number) => Promise<void>,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await work()
      return
    } catch (error) {
      if (!isConnectionError(error) && !TAMPERED.test(String(error))) throw error
      await pause(RETRY_MS)
    }
  }
}
