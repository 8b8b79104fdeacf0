import type { Redis } from 'ioredis'
import type { Config } from '../../shared/config.ts'
import { openClock } from '../../shared/redis/clock.ts'
import { connectRedis } from '../../shared/redis/connect.ts'
import { createKeys, type Keys } from '../../shared/redis/keys.ts'
import { checkLayout } from '../../shared/redis/mailboxes.ts'
import { newRunId } from './identity.ts'
import { redisTls } from './redis-tls.ts'
import { type Surroundings, surroundingsOf } from './surroundings.ts'

/** A Redis connection with the settings, keys and clock that a command needs. */
export interface AppContext {
  config: Config
  redis: Redis
  keys: Keys
  url: string
  surroundings: Surroundings
  /** Opens another connection to the same Redis; the caller closes it. */
  openConnection(): Redis
  /** The Redis server's time (ms since 1970), which all processes share. */
  now: () => number
  newRunId: () => string
  close(): void
}

/**
 * Connects to Redis and checks that the server and its data fit; throws `misconfigured` otherwise. Surroundings that are given stay the
 * caller's to close.
 */
export async function openApp(
  config: Config,
  url: string,
  given?: Surroundings,
  connect = connectRedis,
): Promise<AppContext> {
  const surroundings = given ?? surroundingsOf(config)
  const { machine, http, html } = surroundings
  const tls = redisTls(config)
  const redis = await connect(url, { tls, open: surroundings.openRedis, date: machine.date })
  const keys = createKeys(config.REDIS_PREFIX, config.PARTITIONS)
  try {
    await checkLayout(redis, keys)
    const { now, stop } = await openClock(redis, machine)
    const close = () => {
      stop()
      redis.disconnect()
      if (given) return
      http.close()
      void html.close()
    }
    const openConnection = () => surroundings.openRedis(url, { tls })
    const runId = () => newRunId(now(), machine)
    return { config, redis, keys, url, surroundings, openConnection, now, newRunId: runId, close }
  } catch (error) {
    redis.disconnect()
    throw error
  }
}
