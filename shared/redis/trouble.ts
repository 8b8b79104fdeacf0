import { Redis } from 'ioredis'
import { type ErrorKind, MailError } from '../error.ts'
import { MACHINE, type Machine } from '../machine.ts'
import { unknownCommand, withoutCommands } from './checks.ts'
import { absent, isConnectionError } from './connect.ts'
import { databaseOf } from './database.ts'
import { placeOf } from './place.ts'
import { type RedisTls, tlsFor, tlsTrouble } from './tls.ts'

interface Trouble {
  sign: RegExp
  /** The problem of the server, and its remedy. */
  what: string
  remedy: string
  kind: ErrorKind
}

// The answers of a Redis that cannot serve. All of these can end without a change here.
const TROUBLES: readonly Trouble[] = [
  {
    sign: /\bOOM\b/,
    what: 'is full',
    remedy: 'raise its maxmemory or free memory; a running keeper trims finished entries',
    kind: 'unavailable',
  },
  { sign: /\bLOADING\b/, what: 'is still loading its data', remedy: 'wait until it has', kind: 'unavailable' },
  {
    sign: /\b(READONLY|MASTERDOWN)\b/,
    what: 'is a read-only replica',
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
    what: 'denies its user a required command',
    remedy: 'correct its ACL',
    kind: 'misconfigured',
  },
  {
    sign: /\bMISCONF\b/,
    what: 'cannot write to its disk and accepts no writes',
    remedy: 'check its log',
    kind: 'unavailable',
  },
  {
    sign: /\bNOREPLICAS\b/,
    what: 'waits for its replicas and accepts no writes',
    remedy: 'start them',
    kind: 'unavailable',
  },
  { sign: /\bBUSY\b/, what: 'is busy with a script', remedy: 'wait until it is done', kind: 'unavailable' },
  {
    sign: /max number of clients/,
    what: 'accepts no more connections',
    remedy: 'raise its maxclients',
    kind: 'unavailable',
  },
]

const ANSWER_MS = 5000
const LONGEST_REASON = 200

/**
 * Returns why Redis cannot serve now, if that may end without a change here or after a fix on the server: a sentence with the server and
 * the remedy. Returns `undefined` for any other error.
 */
export function troubleOf(thrown: unknown, url: string): MailError | undefined {
  if (thrown instanceof MailError) return thrown.passes ? thrown : undefined
  if (!(thrown instanceof Error)) return undefined
  const unknown = unknownCommand(thrown.message)
  if (unknown !== undefined)
    return new MailError('misconfigured', withoutCommands(placeOf(url), [unknown]), { cause: thrown })
  const known = TROUBLES.find(({ sign }) => sign.test(thrown.message))
  if (!known) return isConnectionError(thrown) ? absent(url, thrown) : undefined
  const { what, remedy, kind } = known
  const why = thrown.message.slice(0, LONGEST_REASON)
  const options = { cause: thrown, passes: true }
  return new MailError(kind, `The Redis at ${placeOf(url)} ${what} (${why}): ${remedy}`, options)
}

/**
 * Checks that a server serves and has the address's database, and with `writes` that it accepts writes. Throws the errors of `troubleOf`,
 * and `misconfigured` for a missing database or an untrusted certificate. Changes nothing.
 */
export async function probeServer(
  url: string,
  { writes, tls, machine = MACHINE }: { writes: boolean; tls?: RedisTls | undefined; machine?: Machine },
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
  const silence = machine.after(ANSWER_MS, () => {
    first ??= new Error('no answer')
    probe.disconnect()
  })
  try {
    await probe.connect()
    if (databaseOf(url) > 0) await probe.select(databaseOf(url))
    // Unlike PING and TIME, EXISTS is refused while data is loading.
    await probe.exists('probe').catch(unlessUnknown)
    // Refused up front where a write would be: full, read-only, or without its disk.
    if (writes) await probe.eval('#!lua\nreturn 1', 0).catch(unlessUnknown)
  } catch (error) {
    throw (
      tlsTrouble(first, placeOf(url)) ?? troubleOf(first, url) ?? troubleOf(error, url) ?? absent(url, first ?? error)
    )
  } finally {
    silence.cancel()
    if (probe.status !== 'end') probe.disconnect()
  }
}

// js-redis-server rejects the `#!lua` line. Later checks report missing rights in full.
function unlessUnknown(error: Error): void {
  if (!/unexpected symbol near '#'|NOPERM|unknown command/i.test(error.message)) throw error
}
