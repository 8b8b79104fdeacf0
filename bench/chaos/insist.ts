import { isConnectionError } from '../../shared/redis/connect.ts'

const AGAIN_MS = 50

/** Does the work, again whenever Redis is not there, until Redis has answered; given up without a word when aborted. */
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
      if (!isConnectionError(error)) throw error
      await pause(AGAIN_MS)
    }
  }
}
