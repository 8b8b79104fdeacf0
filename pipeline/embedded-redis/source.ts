import type { Config } from '../../shared/config.ts'
import { MailError } from '../../shared/error.ts'
import { connectRedis, redisLabel } from '../../shared/redis/connect.ts'
import type { RedisTls } from '../../shared/redis/tls.ts'
import { probeServer } from '../../shared/redis/trouble.ts'
import { insist, type Patience } from '../base/await-redis.ts'
import type { Log } from '../base/log.ts'
import { redisTls } from '../base/redis-tls.ts'
import { embeddedRedis, findEmbeddedRedis } from './server.ts'

/** A Redis to use. */
export interface RedisServer {
  url: string
  /** For people: what it is and whether it keeps anything. */
  label: string
  /** It keeps what it holds when mailsluice ends, as far as we know. */
  durable: boolean
  /** Resolves, with what is wrong, when it is gone and cannot be started again. */
  lost?: Promise<MailError>
  stop(): Promise<void>
}

/** The Redis that REDIS_URL names, waited for with patience, else an embedded one that is started here, or is running already. */
export async function openRedisServer(config: Config, log: Log, patience?: Patience): Promise<RedisServer> {
  const { REDIS_URL: url } = config
  if (!url) return embeddedRedis({ dataDir: config.DATA_DIR, log })
  const read = () => labelOf(url, redisTls(config))
  const label = patience ? await insist(url, read, patience) : await read()
  return { url, label, durable: true, stop: async () => undefined }
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

async function labelOf(url: string, tls: RedisTls | undefined): Promise<string> {
  await probeServer(url, { writes: true, tls })
  const redis = await connectRedis(url, { tls })
  const label = await redisLabel(redis)
  redis.disconnect()
  return `${label} at ${new URL(url).host}`
}
