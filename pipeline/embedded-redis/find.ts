import type { Config } from '../../shared/config.ts'
import { MailError } from '../../shared/error.ts'
import { noteOfLost, noteOfRunning, type RedisNote } from './note.ts'

/** Finds the embedded Redis that serves this folder or is being restarted; for commands beside the process that started it. */
export async function findEmbeddedRedis(
  dataDir: string,
): Promise<Pick<RedisNote, 'url' | 'label' | 'durable'> | undefined> {
  const note = (await noteOfRunning(dataDir)) ?? (await noteOfLost(dataDir))
  return note && { url: note.url, label: note.label, durable: note.durable }
}

/** Finds the Redis that a running mailsluice uses; throws `misconfigured` when there is none. */
export async function findRedis(config: Config): Promise<string> {
  const url = config.REDIS_URL ?? (await findEmbeddedRedis(config.DATA_DIR))?.url
  if (url) return url
  throw new MailError(
    'misconfigured',
    `no mailsluice is running with its data in ${config.DATA_DIR}; start one with \`npm start\`, or set REDIS_URL`,
  )
}
