import { Redis } from 'ioredis'
import { MailError } from '../error.ts'
import { checkServer, unknownCommand, versionOf, withoutCommands } from './checks.ts'
import { isSelectRefused, noDatabase } from './database.ts'
import { passing } from './passing.ts'
import { placeOf } from './place.ts'
import { type RedisTls, tlsFor, tlsTrouble } from './tls.ts'

const CONNECT_DEADLINE_MS = 5000
// A connection that is silent for so long after a command is dead, whatever the kernel believes; not for blocking reads.
const SILENCE_MS = 10_000

/** How a connection is made; `tls` counts where the address asks for TLS. */
export interface ConnectionOptions {
  tls?: RedisTls | undefined
  socketTimeout?: number
}

/**
 * A connection that never sends a command twice: a command whose reply is lost is rejected, and the caller decides. No command reaches
 * another database than that of the address: where the server refuses it, the connection is closed and tried again.
 */
export function openRedis(url: string, { tls, ...more }: ConnectionOptions = {}): Redis {
  const redis = new Redis(url, {
    ...more,
    ...tlsFor(url, tls),
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
  redis.on('error', error => {
    // The client would go on in database 0. Nothing was sent there yet: what waits for the connection is rejected.
    if (isSelectRefused(error)) redis.disconnect(true)
  })
  return redis
}

/** Connects and checks the server; throws `misconfigured` that says what is wrong with which server and how to mend it. `warn` is
 * told what is odd and can be lived with. */
export async function connectRedis(
  url: string,
  { tls, warn = () => undefined }: { tls?: RedisTls | undefined; warn?: (text: string) => void } = {},
): Promise<Redis> {
  const redis = openRedis(url, { socketTimeout: SILENCE_MS, tls })
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

/** What is said of a server that does not answer, or cannot be spoken with. */
export function absent(url: string, cause: unknown): MailError {
  if (isSelectRefused(cause)) return noDatabase(url, cause)
  const unknown = unknownCommand(String(cause))
  if (unknown !== undefined) return new MailError('misconfigured', withoutCommands(placeOf(url), [unknown]), { cause })
  const distrusted = tlsTrouble(cause, placeOf(url))
  if (distrusted) return distrusted
  const why = reasonOf(cause)
  const other = url.startsWith('rediss:') ? 'redis:// where it speaks no TLS' : 'rediss:// where it wants TLS'
  const hint = /closed|ECONNRESET/.test(why) ? ` (${other})` : ''
  return passing(
    new MailError(
      'misconfigured',
      `No Redis answers at ${placeOf(url)} (${why}): start it, correct REDIS_URL${hint}, or unset REDIS_URL to use the embedded one`,
      { cause },
    ),
  )
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  return code ?? message
}
