import type { Redis } from 'ioredis'
import type { Config } from '../../shared/config.ts'
import { openClock } from '../../shared/redis/clock.ts'
import { connectRedis, openRedis } from '../../shared/redis/connect.ts'
import { createKeys, type Keys } from '../../shared/redis/keys.ts'
import { checkLayout } from '../../shared/redis/mailboxes.ts'
import { newRunId } from './identity.ts'
import { redisTls } from './redis-tls.ts'

/** A Redis connection with the settings, keys and clock that a command needs. */
export interface AppContext {
  config: Config
  redis: Redis
  keys: Keys
  url: string
  /** Opens another connection to the same Redis; the caller closes it. */
  openConnection(): Redis
  /** The Redis server's time (ms since 1970), which all processes share. */
  now: () => number
  newRunId: () => string
  close(): void
}

/** Connects to Redis and checks that its data fits the settings; throws `misconfigured` otherwise. */
export async function openApp(config: Config, url: string): Promise<AppContext> {
  const tls = redisTls(config)
  const redis = await connectRedis(url, { tls })
  const keys = createKeys(config.REDIS_PREFIX, config.PARTITIONS)
  try {
    await checkLayout(redis, keys)
    const { now, stop } = await openClock(redis)
    const close = () => {
      stop()
      redis.disconnect()
    }
    const openConnection = () => openRedis(url, { tls })
    return { config, redis, keys, url, openConnection, now, newRunId: () => newRunId(now()), close }
  } catch (error) {
    redis.disconnect()
    throw error
  }
}
