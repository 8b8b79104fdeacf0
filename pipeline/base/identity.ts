import { createHash, randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import { hasEnded, pidWorld, startOf } from './process-state.ts'

const UNKNOWN = '-'

/**
 * This process as a consumer: its host, its process id, what that id means (`pidWorld`, and when the process began), and a random part, so
 * that no two processes ever share a name.
 */
export function consumerName(replica: string | undefined): string {
  const world = pidWorld ?? UNKNOWN
  const start = startOf('self') ?? UNKNOWN
  return [replica ?? hostname(), process.pid, world, start, randomBytes(3).toString('hex')].join(':')
}

/**
 * Whether a consumer is known to be gone: a process of this boot and PID namespace that has ended. Of any other only its lease can tell. A
 * wrong guess costs double work, never a double effect.
 */
export function isKnownDead(consumer: string): boolean {
  // A host's name may hold colons.
  const [, pid, world, start = ''] = /:(\d+):([\da-f]{12}):(\d+):[\da-f]+$/.exec(consumer) ?? []
  return pid !== undefined && world === pidWorld && hasEnded(Number(pid), start)
}

/** A run's id: sortable by time, unique by its random part. */
export function newRunId(now: number): string {
  return `${now.toString(36)}-${randomBytes(4).toString('hex')}`
}

/** The id of the run that something asked for at a moment (ms since 1970): the same whenever it asks again. */
export function namedRunId(at: number, name: string): string {
  return `${at.toString(36)}-${createHash('sha1').update(name).digest('hex').slice(0, 8)}`
}
