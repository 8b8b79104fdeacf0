import type { Redis } from 'ioredis'
import { MailError } from '../../shared/error.ts'
import { createKeys } from '../../shared/redis/keys.ts'
import type { AppContext } from '../base/app.ts'

/** A separate namespace for replays; all its keys expire automatically. */
export interface Sandbox {
  prefix: string
  /** The same connection with the keys of the sandbox; failed work is not retried there. */
  app: AppContext
  keepSeconds: number
  /** Sets a TTL of at most `keepSeconds` (in seconds) on every existing key. */
  expireAll(): Promise<void>
}

const KEEP_SANDBOX_SECONDS = 24 * 3600

const MAX_KEYS = 500
// The mark outlives the keys of its sandbox.
const MARK_LONGER_SECONDS = 3600

/** Returns the key prefix of a sandbox; throws `misconfigured` for a name that could reach other keys. */
export function sandboxPrefix(prefix: string, name: string): string {
  if (!/^[a-z0-9-]{1,20}$/.test(name)) {
    throw new MailError(
      'misconfigured',
      `${JSON.stringify(name)} is no valid sandbox name: use up to 20 lower case letters, digits and dashes`,
    )
  }
  return `${prefix}-replay-${name}`
}

/** Opens an empty sandbox that expires one day after its last use by default; throws `misconfigured` for an invalid name, or when its prefix holds keys that are no sandbox of this prefix. */
export async function openSandbox(
  app: AppContext,
  name: string,
  keepSeconds: number = KEEP_SANDBOX_SECONDS,
): Promise<Sandbox> {
  const { redis, config } = app
  const prefix = sandboxPrefix(config.REDIS_PREFIX, name)
  const mark = `${prefix}:sandbox`
  const owner = JSON.stringify({ of: config.REDIS_PREFIX, name })
  const markFor = keepSeconds + MARK_LONGER_SECONDS
  const isNew = (await redis.set(mark, owner, 'EX', markFor, 'NX')) === 'OK'
  const existing = (await keysUnder(redis, prefix)).filter(key => key !== mark)
  if (isNew ? existing.length > 0 : (await redis.get(mark)) !== owner) {
    if (isNew) await redis.del(mark)
    throw new MailError(
      'misconfigured',
      `${prefix} is in use and is no sandbox of ${config.REDIS_PREFIX}: choose another name for the sandbox`,
    )
  }
  for (let at = 0; at < existing.length; at += MAX_KEYS) await redis.unlink(...existing.slice(at, at + MAX_KEYS))
  const keys = createKeys(prefix, config.PARTITIONS)
  await redis.set(keys.layout, `${keys.partitions.length}`, 'EX', keepSeconds)

  return {
    prefix,
    keepSeconds,
    app: { ...app, keys, config: { ...config, REDIS_PREFIX: prefix, MAX_ATTEMPTS: 1, AI_SINK: 'stream' } },
    async expireAll() {
      const all = (await keysUnder(redis, prefix)).filter(key => key !== mark)
      for (let at = 0; at < all.length; at += MAX_KEYS) await expire(redis, all.slice(at, at + MAX_KEYS), keepSeconds)
      await redis.set(mark, owner, 'EX', markFor)
    },
  }
}

// A replay must not extend the TTL of a cached message.
async function expire(redis: Redis, keys: readonly string[], keepSeconds: number): Promise<void> {
  const left = await Promise.all(keys.map(key => redis.ttl(key)))
  const late = keys.filter((_, index) => left[index] === -1 || (left[index] ?? 0) > keepSeconds)
  await Promise.all(late.map(key => redis.expire(key, keepSeconds)))
}

async function keysUnder(redis: Redis, prefix: string): Promise<string[]> {
  const found = new Set<string>()
  for (let cursor = '0'; ; ) {
    const [next, keys] = await redis.scan(cursor, 'MATCH', `${prefix}:*`, 'COUNT', 1000)
    for (const key of keys) if (key.startsWith(`${prefix}:`)) found.add(key)
    if (next === '0') return [...found]
    cursor = next
  }
}
