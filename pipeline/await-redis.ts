import { connectRedis, isConnectionError } from '../shared/redis/connect.ts'
import type { Log } from './log.ts'
import { sleep } from './wait.ts'

const PATIENCE_MS = 60_000
const AGAIN_MS = 1000

/**
 * For a process that stays: waits for a Redis that is still starting, as when both are deployed at once; a minute at most. Anything
 * else that is wrong with it, and its absence after that time, is thrown as `misconfigured`.
 */
export async function awaitRedis(
  url: string,
  { signal, log, patienceMs = PATIENCE_MS }: { signal: AbortSignal; log: Log; patienceMs?: number },
): Promise<void> {
  const deadline = performance.now() + patienceMs
  for (let told = false; ; told = true) {
    try {
      const redis = await connectRedis(url)
      return redis.disconnect()
    } catch (error) {
      const starting = error instanceof Error && isConnectionError(error.cause)
      if (!starting || signal.aborted || performance.now() > deadline) throw error
      if (!told)
        log.warn({ error: error.message, seconds: patienceMs / 1000 }, 'Redis does not answer yet; waiting for it')
      await sleep(AGAIN_MS, signal)
    }
  }
}
