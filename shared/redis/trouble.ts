import { Redis } from 'ioredis'
import { type ErrorKind, MailError } from '../error.ts'
import { unknownCommand, withoutCommands } from './checks.ts'
import { absent, isConnectionError } from './connect.ts'
import { databaseOf } from './database.ts'
import { isPassing, passing } from './passing.ts'
import { placeOf } from './place.ts'
import { type RedisTls, tlsFor, tlsTrouble } from './tls.ts'

interface Trouble {
  sign: RegExp
  /** What is wrong with the server, and what helps. */
  what: string
  remedy: string
  kind: ErrorKind
}

// What Redis answers while it cannot serve. All of it can end without a change here.
const TROUBLES: readonly Trouble[] = [
  {
    sign: /\bOOM\b/,
    what: 'is full',
    remedy: 'raise its maxmemory, or make room in it; a running keeper trims what is done with',
    kind: 'unavailable',
  },
  { sign: /\bLOADING\b/, what: 'is still loading its data', remedy: 'wait until it has', kind: 'unavailable' },
  {
    sign: /\b(READONLY|MASTERDOWN)\b/,
    what: 'is a replica, which takes no writes',
    remedy: 'connect to its primary',
    kind: 'unavailable',
  },
  {
    sign: /\b(WRONGPASS|NOAUTH)\b|no password is set/,
    what: 'refuses the password',
    remedy: 'correct REDIS_URL',
    kind: 'misconfigured',
  },
  {
    sign: /\bNOPERM\b/,
    what: 'does not let its user do what is needed',
    remedy: 'correct its ACL',
    kind: 'misconfigured',
  },
  {
    sign: /\bMISCONF\b/,
    what: 'cannot write to its disk, and takes no writes',
    remedy: 'look into its log',
    kind: 'unavailable',
  },
  {
    sign: /\bNOREPLICAS\b/,
    what: 'waits for its replicas, and takes no writes',
    remedy: 'start them',
    kind: 'unavailable',
  },
  { sign: /\bBUSY\b/, what: 'is busy with a script', remedy: 'wait until it is done', kind: 'unavailable' },
  {
    sign: /max number of clients/,
    what: 'takes no more connections',
    remedy: 'raise its maxclients',
    kind: 'unavailable',
  },
]

const ANSWER_MS = 5000
const LONGEST_REASON = 200

/**
 * Why Redis cannot serve now, where that may end by itself or by what is done to the server: a sentence that names the server and the
 * remedy. `undefined` for any other error.
 */
export function troubleOf(thrown: unknown, url: string): MailError | undefined {
  if (thrown instanceof MailError) return isPassing(thrown) ? thrown : undefined
  if (!(thrown instanceof Error)) return undefined
  const unknown = unknownCommand(thrown.message)
  if (unknown !== undefined)
    return new MailError('misconfigured', withoutCommands(placeOf(url), [unknown]), { cause: thrown })
  const known = TROUBLES.find(({ sign }) => sign.test(thrown.message))
  if (!known) return isConnectionError(thrown) ? absent(url, thrown) : undefined
  const { what, remedy, kind } = known
  const why = thrown.message.slice(0, LONGEST_REASON)
  return passing(new MailError(kind, `The Redis at ${placeOf(url)} ${what} (${why}): ${remedy}`, { cause: thrown }))
}

/**
 * Asks a server whether it serves, and has the database of the address, and with `writes` whether it takes writes; throws what `troubleOf`
 * knows, and `misconfigured` for a missing database or a certificate that is not trusted. Changes nothing.
 */
export async function probeServer(
  url: string,
  { writes, tls }: { writes: boolean; tls?: RedisTls | undefined },
): Promise<void> {
  const probe = new Redis(url, {
    ...tlsFor(url, tls),
    lazyConnect: true,
    protocol: 2,
    enableReadyCheck: false,
    maxRetriesPerRequest: 0,
    connectTimeout: ANSWER_MS,
    retryStrategy: () => null,
  })
  let first: unknown
  probe.on('error', error => {
    first ??= error
  })
  const silence = setTimeout(() => {
    first ??= new Error('no answer')
    probe.disconnect()
  }, ANSWER_MS)
  try {
    await probe.connect()
    if (databaseOf(url) > 0) await probe.select(databaseOf(url))
    // Unlike PING and TIME, it is refused while the data is loaded.
    await probe.exists('probe').catch(unlessUnknown)
    // Refused up front where a write would be: full, read-only, without its disk.
    if (writes) await probe.eval('#!lua\nreturn 1', 0).catch(unlessUnknown)
  } catch (error) {
    throw (
      tlsTrouble(first, placeOf(url)) ?? troubleOf(first, url) ?? troubleOf(error, url) ?? absent(url, first ?? error)
    )
  } finally {
    clearTimeout(silence)
    if (probe.status !== 'end') probe.disconnect()
  }
}

// js-redis-server knows no `#!lua` line. What the user may not do is told in full by the checks that follow.
function unlessUnknown(error: Error): void {
  if (!/unexpected symbol near '#'|NOPERM|unknown command/i.test(error.message)) throw error
}
