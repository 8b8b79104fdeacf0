import { Redis } from 'ioredis'
import { MailError } from '../error.ts'
import { checkServer, versionOf } from './checks.ts'
import { passing } from './passing.ts'

const CONNECT_DEADLINE_MS = 5000
// A connection that is silent for so long after a command is dead, whatever the kernel believes; not for blocking reads.
const SILENCE_MS = 10_000

/** A connection that never sends a command twice: a command whose reply is lost is rejected, and the caller decides. */
export function openRedis(url: string, more: { socketTimeout?: number } = {}): Redis {
  const redis = new Redis(url, {
    ...more,
    lazyConnect: true,
    // One shape of answers whatever the server's age.
    protocol: 2,
    maxRetriesPerRequest: 0,
    connectTimeout: CONNECT_DEADLINE_MS,
    // The primary has become a replica, and its place is taken by another: the address leads there by now.
    reconnectOnError: error => /\bREADONLY\b/.test(error.message),
    retryStrategy: attempt => Math.min(50 * 2 ** Math.min(attempt, 6), 2000),
  })
  // Outages are told once by whoever waits for the connection; without a listener ioredis prints each one.
  redis.on('error', () => undefined)
  return redis
}

/** Connects and checks the server; throws `misconfigured` that says what is wrong with which server and how to mend it. `warn` is
 * told what is odd and can be lived with. */
export async function connectRedis(url: string, warn: (text: string) => void = () => undefined): Promise<Redis> {
  const redis = openRedis(url, { socketTimeout: SILENCE_MS })
  let first: unknown
  redis.once('error', error => {
    first = error
  })
  try {
    await redis.connect()
    for (const warning of await checkServer(redis, { place: placeOf(url), now: Date.now })) warn(warning)
    return redis
  } catch (error) {
    redis.disconnect()
    if (error instanceof MailError) throw error
    throw absent(url, first ?? error)
  }
}

/** What the server calls itself, such as `redis 7.0.15`. */
export async function redisLabel(redis: Redis): Promise<string> {
  return versionOf(await redis.info('server')).label
}

/** Whether Redis failed, be it the connection or a command that it refused (out of memory, a key of a wrong type). */
export function isRedisError(error: unknown): boolean {
  return isConnectionError(error) || (error instanceof Error && error.name === 'ReplyError')
}

/** Rejections that say the connection failed, not the command: what was asked may or may not have happened. */
export function isConnectionError(error: unknown): boolean {
  // What a provider's connection did is another matter.
  if (error instanceof MailError) return false
  const text =
    error instanceof Error ? `${error.name} ${error.message} ${(error as NodeJS.ErrnoException).code ?? ''}` : ''
  return /MaxRetriesPerRequest|Socket timeout|Connection is closed|aborted due to connection close|Stream isn't writeable|ECONN|EPIPE|ETIMEDOUT|EAI_AGAIN|LOADING|MASTERDOWN|READONLY/.test(
    text,
  )
}

/** What is said of a server that does not answer. */
export function absent(url: string, cause: unknown): MailError {
  const why = reasonOf(cause)
  return passing(
    new MailError(
      'misconfigured',
      `No Redis answers at ${placeOf(url)} (${why}): start it, correct REDIS_URL, or unset REDIS_URL to use the embedded one`,
      { cause },
    ),
  )
}

/** The server of an address as messages name it, without its password. */
export function placeOf(url: string): string {
  const { protocol, host, pathname } = new URL(url)
  return `${protocol}//${host}${pathname}`
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  return code ?? message
}
