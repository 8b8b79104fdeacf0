import { Redis } from 'ioredis'
import { MailError } from '../error.ts'

const CONNECT_DEADLINE_MS = 5000
const OLDEST = { redis: 7, valkey: 8 }

/** A connection that never sends a command twice: a command whose reply is lost is rejected, and the caller decides. */
export function openRedis(url: string): Redis {
  const redis = new Redis(url, {
    lazyConnect: true,
    // One shape of answers whatever the server's age.
    protocol: 2,
    maxRetriesPerRequest: 0,
    connectTimeout: CONNECT_DEADLINE_MS,
    retryStrategy: attempt => Math.min(50 * 2 ** Math.min(attempt, 6), 2000),
  })
  // Outages are told once by whoever waits for the connection; without a listener ioredis prints each one.
  redis.on('error', () => undefined)
  return redis
}

/** Connects and checks the server; throws `misconfigured` that says what is wrong with which server and how to mend it. */
export async function connectRedis(url: string): Promise<Redis> {
  const redis = openRedis(url)
  let first: unknown
  redis.once('error', error => {
    first = error
  })
  try {
    await redis.connect()
    const server = serverOf(await redis.info('server'))
    const policy = ((await redis.config('GET', 'maxmemory-policy').catch(() => [])) as string[])[1] ?? 'noeviction'
    if (server.major < OLDEST[server.kind]) {
      throw new MailError(
        'misconfigured',
        `${place(url)} runs ${server.label}; mailsluice needs Redis 7.0 or Valkey 8.0 at least: upgrade it`,
      )
    }
    if (policy.startsWith('allkeys')) {
      throw new MailError(
        'misconfigured',
        `${place(url)} evicts any key when full (maxmemory-policy ${policy}): set it to noeviction or volatile-lru`,
      )
    }
    return redis
  } catch (error) {
    redis.disconnect()
    if (error instanceof MailError) throw error
    throw new MailError(
      'misconfigured',
      `No Redis answers at ${place(url)} (${reason(first ?? error)}): start it, correct REDIS_URL, or unset REDIS_URL to use the embedded one`,
    )
  }
}

/** What the server calls itself, such as `redis 7.0.15`. */
export async function redisLabel(redis: Redis): Promise<string> {
  return serverOf(await redis.info('server')).label
}

/** Rejections that say the connection failed, not the command: what was asked may or may not have happened. */
export function isConnectionError(error: unknown): boolean {
  // What a provider's connection did is another matter.
  if (error instanceof MailError) return false
  const text =
    error instanceof Error ? `${error.name} ${error.message} ${(error as NodeJS.ErrnoException).code ?? ''}` : ''
  return /MaxRetriesPerRequest|Connection is closed|Stream isn't writeable|ECONN|EPIPE|ETIMEDOUT|EAI_AGAIN|LOADING|MASTERDOWN|READONLY/.test(
    text,
  )
}

function serverOf(info: string): { kind: 'redis' | 'valkey'; major: number; label: string } {
  const valkey = /^valkey_version:(\S+)/m.exec(info)?.[1]
  const version = valkey ?? /^redis_version:(\S+)/m.exec(info)?.[1] ?? '0'
  const kind = valkey ? 'valkey' : 'redis'
  return { kind, major: Number.parseInt(version, 10), label: `${kind} ${version}` }
}

function place(url: string): string {
  const { protocol, host, pathname } = new URL(url)
  return `${protocol}//${host}${pathname}`
}

function reason(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  return code ?? message
}
