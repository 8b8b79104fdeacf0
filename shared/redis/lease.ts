import type { Redis } from 'ioredis'
import { MACHINE, type Machine } from '../machine.ts'
import { leaseScript } from './scripts.ts'

/**
 * The temporary, exclusive right to do something. A holder that lost it learns so at its next call, and can neither renew nor release
 * another's lease.
 */
export interface Lease {
  /** Takes or renews the lease for `ms` from now; returns whether it is ours. */
  take(ms: number): Promise<boolean>
  /** Releases the lease if it is ours, so that another process can take it at once. */
  giveBack(): Promise<void>
}

/** Creates a lease in one key, under a token of its own. */
export function createLease(redis: Redis, key: string, { uuid }: Pick<Machine, 'uuid'> = MACHINE): Lease {
  const token = uuid()
  return {
    take: async ms => (await leaseScript(redis, [key], [token, ms])) === 1,
    giveBack: async () => void (await leaseScript(redis, [key], [token, 0])),
  }
}
