import { Redis } from 'ioredis'
import { MailError } from '../error.ts'
import { MACHINE } from '../machine.ts'
import { checkServer, unknownCommand, versionOf, withoutCommands } from './checks.ts'
import { isSelectRefused, noDatabase } from './database.ts'
import { placeOf } from './place.ts'
import { type RedisTls, tlsFor, tlsTrouble } from './tls.ts'

const CONNECT_DEADLINE_MS = 5000
// A connection that stays silent for so long after a command is dead, whatever the kernel reports; not for blocking reads.
const SILENCE_MS = 10_000

/** The options of a connection; `tls` applies where the address asks for TLS. */
export interface ConnectionOptions {
  tls?: RedisTls | undefined
  socketTimeout?: number
}

/**
 * Opens a connection that never sends a command twice: a command whose reply is lost is rejected, and the caller decides. No command
 * reaches another database than the address names: where the server refuses it, the connection is closed and retried.
 */
export function openRedis(url: string, { tls, ...more }: ConnectionOptions = {}): Redis {
  const redis = new Redis(url, {
    ...more,
    ...tlsFor(url, tls),
    lazyConnect: true,
    // Gives answers the same shape for every server version.
    protocol: 2,
    maxRetriesPerRequest: 0,
    connectTimeout: CONNECT_DEADLINE_MS,
    // The primary became a replica; the address leads to the new primary by now.
    reconnectOnError: error => /\bREADONLY\b/.test(error.message),
    retryStrategy: attempt => Math.min(50 * 2 ** Math.min(attempt, 6), 2000),
  })
  redis.on('connect', () => writeTogether(redis.stream))
  // Code that waits for the connection logs each outage once; without a listener ioredis prints every error.
  redis.on('error', error => {
    // The client would continue in database 0. Nothing was sent yet; commands that wait for the connection are rejected.
    if (isSelectRefused(error)) redis.disconnect(true)
  })
  return redis
}

// The client writes each command by itself. The commands of one turn, such as those that follow from one read, go in one write.
function writeTogether(stream: Redis['stream']): void {
  const { write } = stream
  let isHeld = false
  const held = (...command: Parameters<typeof write>) => {
    if (!isHeld) {
      isHeld = true
      stream.cork()
      process.nextTick(() => {
        isHeld = false
        stream.uncork()
      })
    }
    return write.apply(stream, command)
  }
  Object.assign(stream, { write: held })
}

/**
 * How a connection is opened, what its certificate must show, and the clock that the server's is compared with. `check` decides whether
 * mailsluice can run with the server, as `checkServer` does.
 */
export interface ConnectOptions {
  tls?: RedisTls | undefined
  warn?: (text: string) => void
  open?: typeof openRedis
  date?: () => number
  check?: typeof checkServer
}

/**
 * Connects and checks the server. Throws `misconfigured`, saying which server has which problem and how to fix it. Calls `warn` for
 * problems that mailsluice can run with.
 */
export async function connectRedis(
  url: string,
  { tls, warn = () => undefined, open = openRedis, date = MACHINE.date, check = checkServer }: ConnectOptions = {},
): Promise<Redis> {
  const redis = open(url, { socketTimeout: SILENCE_MS, tls })
  let first: unknown
  redis.once('error', error => {
    first = error
  })
  try {
    await redis.connect()
    for (const warning of await check(redis, { place: placeOf(url), now: date })) warn(warning)
    return redis
  } catch (error) {
    redis.disconnect()
    if (error instanceof MailError) throw error
    throw absent(url, first ?? error)
  }
}

/** Returns the server's name and version, such as `redis 7.0.15`. */
export async function redisLabel(redis: Redis): Promise<string> {
  return versionOf(await redis.info('server')).label
}

/** Returns whether Redis failed: the connection, or a refused command (out of memory, a key of a wrong type). */
export function isRedisError(error: unknown): boolean {
  return isConnectionError(error) || (error instanceof Error && error.name === 'ReplyError')
}

/** Returns whether an error means that the connection failed rather than the command, which may or may not have run. */
export function isConnectionError(error: unknown): boolean {
  // A MailError may describe a provider's connection.
  if (error instanceof MailError) return false
  const text =
    error instanceof Error ? `${error.name} ${error.message} ${(error as NodeJS.ErrnoException).code ?? ''}` : ''
  return /MaxRetriesPerRequest|Socket timeout|Connection is closed|aborted due to connection close|Stream isn't writeable|ECONN|EPIPE|ETIMEDOUT|EAI_AGAIN|LOADING|MASTERDOWN|READONLY/.test(
    text,
  )
}

/** Returns the error for a server that does not answer or cannot be talked to. */
export function absent(url: string, cause: unknown): MailError {
  if (isSelectRefused(cause)) return noDatabase(url, cause)
  const unknown = unknownCommand(String(cause))
  if (unknown !== undefined) return new MailError('misconfigured', withoutCommands(placeOf(url), [unknown]), { cause })
  const distrusted = tlsTrouble(cause, placeOf(url))
  if (distrusted) return distrusted
  const why = reasonOf(cause)
  const other = url.startsWith('rediss:') ? 'redis:// where it speaks no TLS' : 'rediss:// where it wants TLS'
  const hint = /closed|ECONNRESET/.test(why) ? ` (${other})` : ''
  return new MailError(
    'misconfigured',
    `No Redis answers at ${placeOf(url)} (${why}): start it, correct REDIS_URL${hint}, or unset REDIS_URL to use the embedded one`,
    { cause, passes: true },
  )
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  return code ?? message
}
