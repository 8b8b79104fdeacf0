import type { Config } from '../../shared/config.ts'
import type { MailError } from '../../shared/error.ts'
import { connectRedis, redisLabel } from '../../shared/redis/connect.ts'
import type { RedisTls } from '../../shared/redis/tls.ts'
import { probeServer } from '../../shared/redis/trouble.ts'
import { type RedisWait, retryUntilServing } from '../base/await-redis.ts'
import type { Log } from '../base/log.ts'
import { redisTls } from '../base/redis-tls.ts'
import { embeddedRedis } from './server.ts'

/** A Redis to use. */
export interface RedisServer {
  url: string
  /** The server and whether it is durable, for people. */
  label: string
  /** Whether its data survives the end of mailsluice, as far as known. */
  durable: boolean
  /** Resolves with the reason when it has ended and cannot be restarted. */
  lost?: Promise<MailError>
  stop(): Promise<void>
}

/** Opens the Redis of REDIS_URL, waiting for it where `wait` is given; otherwise shares or starts an embedded one. */
export async function openRedisServer(config: Config, log: Log, wait?: RedisWait): Promise<RedisServer> {
  const { REDIS_URL: url } = config
  if (!url) return embeddedRedis({ dataDir: config.DATA_DIR, log })
  const read = () => labelOf(url, redisTls(config))
  const label = wait ? await retryUntilServing(url, read, wait) : await read()
  return { url, label, durable: true, stop: async () => undefined }
}

async function labelOf(url: string, tls: RedisTls | undefined): Promise<string> {
  await probeServer(url, { writes: true, tls })
  const redis = await connectRedis(url, { tls })
  const label = await redisLabel(redis)
  redis.disconnect()
  return `${label} at ${new URL(url).host}`
}
