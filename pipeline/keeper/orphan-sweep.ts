import { sweepOrphans } from '../../shared/redis/sweep-orphans.ts'
import type { AppContext } from '../base/app.ts'
import type { Log } from '../base/log.ts'
import { DAY_MS } from '../base/times.ts'
import type { Duty } from './keeper.ts'

/** Sweeps orphaned keys once a day; calls `isOurs` before each step and stops when it returns false. */
export function createOrphanSweep({ redis, keys, now }: AppContext, log: Pick<Log, 'info'>): Duty {
  let nextAt = 0

  return async isOurs => {
    if (now() < nextAt || !(await isOurs())) return
    const found = await sweepOrphans(redis, keys, isOurs)
    nextAt = now() + DAY_MS
    if (found > 0) log.info({ keys: found }, 'found orphaned keys; they expire within a day')
  }
}
