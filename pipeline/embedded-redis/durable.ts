import { MailError } from '../../shared/error.ts'
import type { AppContext } from '../base/app.ts'
import { awaitApp, brief } from '../base/await-redis.ts'
import type { CommandContext } from '../base/command-context.ts'
import { createLog } from '../base/log.ts'
import { findEmbeddedRedis } from './server.ts'
import { openRedisServer, type RedisServer } from './source.ts'

/**
 * Works with the Redis of the settings, of a running mailsluice, or one that is started for it. Throws `misconfigured` where none would
 * keep what is written: an account that is forgotten when the command ends would be connected in vain.
 */
export async function withKeptRedis(context: CommandContext, work: (app: AppContext) => Promise<void>): Promise<void> {
  const { config } = context
  const running = config.REDIS_URL === undefined ? await findEmbeddedRedis(config.DATA_DIR) : undefined
  const server: RedisServer = running
    ? { ...running, stop: async () => undefined }
    : await openRedisServer(config, createLog(config, 'connect'), brief(config, context.signal))
  let app: AppContext | undefined
  try {
    if (!running && !server.durable) {
      throw new MailError(
        'misconfigured',
        'there is no Redis that would keep the account: install redis-server 7.0 or newer, or set REDIS_URL',
      )
    }
    app = await awaitApp(config, server.url, brief(config, context.signal))
    await work(app)
  } finally {
    app?.close()
    await server.stop()
  }
}
