import { createHash } from 'node:crypto'
import { hostname } from 'node:os'
import { MACHINE, type Machine } from '../../shared/machine.ts'
import { hasEnded, pidScope, startOf } from './process-state.ts'

const UNKNOWN = '-'

/**
 * Returns a consumer name for this process: host, process id, `pidScope`, start time and a random part. No two processes share a name.
 */
export function consumerName(
  replica: string | undefined,
  { randomBytes }: Pick<Machine, 'randomBytes'> = MACHINE,
): string {
  const scope = pidScope ?? UNKNOWN
  const start = startOf('self') ?? UNKNOWN
  return [replica ?? hostname(), process.pid, scope, start, randomBytes(3).toString('hex')].join(':')
}

/**
 * Returns whether a consumer is known to be dead: its process ran in this boot and PID namespace, and has ended. Only the lease shows the
 * liveness of any other consumer. A wrong answer costs double work, never a double effect.
 */
export function isKnownDead(consumer: string): boolean {
  // A host name may contain colons.
  const [, pid, scope, start = ''] = /:(\d+):([\da-f]{12}):(\d+):[\da-f]+$/.exec(consumer) ?? []
  return pid !== undefined && scope === pidScope && hasEnded(Number(pid), start)
}

/** Returns a new run id: sortable by time, unique by its random part. */
export function newRunId(now: number, { randomBytes }: Pick<Machine, 'randomBytes'> = MACHINE): string {
  return `${now.toString(36)}-${randomBytes(4).toString('hex')}`
}

/** Returns the run id for a named request at a time (ms since 1970); a repeated request gets the same id. */
export function namedRunId(at: number, name: string): string {
  return `${at.toString(36)}-${createHash('sha1').update(name).digest('hex').slice(0, 8)}`
}
