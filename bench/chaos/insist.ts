import { isConnectionError } from '../../shared/redis/connect.ts'

const AGAIN_MS = 50
const TAMPERED = /\b(NOPERM|WRONGTYPE)\b/

/** Does the work, again whenever Redis is not there or is tampered with, until it is done; given up without a word when aborted. */
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
      await pause(AGAIN_MS)
    }
  }
}
