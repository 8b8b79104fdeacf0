import { randomUUID } from 'node:crypto'
import type { Redis } from 'ioredis'
import { leaseScript } from './scripts.ts'

/** The right to do something alone for a while. Whoever lost it finds out when it asks again, and can neither renew nor give back another's. */
export interface Lease {
  /** Takes or renews it for `ms` from now; whether it is ours. */
  take(ms: number): Promise<boolean>
  /** Gives it back if it is ours, so that another has it at once. */
  giveBack(): Promise<void>
}

/** A lease kept in one key, asked for under a token of its own. */
export function createLease(redis: Redis, key: string): Lease {
  const token = randomUUID()
  return {
    take: async ms => (await leaseScript(redis, [key], [token, ms])) === 1,
    giveBack: async () => void (await leaseScript(redis, [key], [token, 0])),
  }
}
