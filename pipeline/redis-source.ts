import type { Config } from '../shared/config.ts'
import { MailError } from '../shared/error.ts'
import { connectRedis, redisLabel } from '../shared/redis/connect.ts'
import type { Log } from './log.ts'
import { embeddedRedis, findEmbeddedRedis } from './redis-server.ts'

/** A Redis to use. */
export interface RedisServer {
  url: string
  /** For people: what it is and whether it keeps anything. */
  label: string
  /** It keeps what it holds when mailsluice ends, as far as we know. */
  durable: boolean
  stop(): Promise<void>
}

/** The Redis that REDIS_URL names, else an embedded one that is started here, or is running already. */
export async function openRedisServer(config: Config, log: Log): Promise<RedisServer> {
  if (config.REDIS_URL)
    return { url: config.REDIS_URL, label: await labelOf(config.REDIS_URL), durable: true, stop: async () => undefined }
  return embeddedRedis({ dataDir: config.DATA_DIR, log })
}

/** The Redis that a running mailsluice uses; throws `misconfigured` when there is none to be found. */
export async function findRedis(config: Config): Promise<string> {
  const url = config.REDIS_URL ?? (await findEmbeddedRedis(config.DATA_DIR))?.url
  if (url) return url
  throw new MailError(
    'misconfigured',
    `no mailsluice is running with its data in ${config.DATA_DIR}: start one with \`npm start\`, or set REDIS_URL`,
  )
}

async function labelOf(url: string): Promise<string> {
  const redis = await connectRedis(url)
  const label = await redisLabel(redis)
  redis.disconnect()
  return `${label} at ${new URL(url).host}`
}
