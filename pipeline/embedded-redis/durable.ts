import { MailError } from '../../shared/error.ts'
import type { AppContext } from '../base/app.ts'
import { awaitApp, waitBriefly } from '../base/await-redis.ts'
import type { CommandContext } from '../base/command-context.ts'
import { createLog } from '../base/log.ts'
import { findEmbeddedRedis } from './find.ts'
import { openRedisServer, type RedisServer } from './source.ts'

/**
 * Runs the work on the Redis of the settings, of a running mailsluice, or on one started for it. Throws `misconfigured` where that Redis is
 * not durable, because a connected account would be lost when the command ends.
 */
export async function withDurableRedis(
  context: CommandContext,
  work: (app: AppContext) => Promise<void>,
): Promise<void> {
  const { config, terminal, surroundings } = context
  const running = config.REDIS_URL === undefined ? await findEmbeddedRedis(config.DATA_DIR) : undefined
  const server: RedisServer = running
    ? { ...running, stop: async () => undefined }
    : await openRedisServer(config, createLog(config, 'connect', terminal), waitBriefly(context))
  let app: AppContext | undefined
  try {
    if (!running && !server.durable) {
      throw new MailError(
        'misconfigured',
        'no durable Redis to store the account; install redis-server 7.0 or newer, or set REDIS_URL',
      )
    }
    app = await awaitApp(config, server.url, { ...waitBriefly(context), surroundings })
    await work(app)
  } finally {
    app?.close()
    await server.stop()
  }
}
