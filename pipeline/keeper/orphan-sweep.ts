import { sweepOrphans } from '../../shared/redis/sweep-orphans.ts'
import type { AppContext } from '../base/app.ts'
import type { Log } from '../base/log.ts'
import type { Duty } from './keeper.ts'

const EVERY_MS = 24 * 3_600_000

/** Looks once a day for keys that belong to nobody any more; the keeper says before each step whether to go on. */
export function createOrphanSweep({ redis, keys, now }: AppContext, log: Pick<Log, 'info'>): Duty {
  let nextAt = 0

  return async isOurs => {
    if (now() < nextAt || !(await isOurs())) return
    const found = await sweepOrphans(redis, keys, isOurs)
    nextAt = now() + EVERY_MS
    if (found > 0) log.info({ keys: found }, 'keys that belong to nobody any more are forgotten within a day')
  }
}
