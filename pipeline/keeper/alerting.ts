import { forgetEnded, unjudgedRuns } from '../../shared/redis/alerts.ts'
import { readRun } from '../../shared/redis/runs.ts'
import type { AppContext } from '../base/app.ts'
import type { Log } from '../base/log.ts'
import { raiseAlerts } from '../runtime/raise-alerts.ts'
import type { Duty } from './keeper.ts'

// Long enough for the process that ended a run to do it.
const LEFT_AFTER_MS = 10_000

/** Looks at runs that ended in a process that died before it could look at them. */
export function createJudging(app: AppContext, log: Log): Duty {
  const { redis, keys, now } = app
  return async isOurs => {
    for (const partition of keys.partitions) {
      if (!(await isOurs())) return
      for (const run of await unjudgedRuns(redis, keys, partition, now() - LEFT_AFTER_MS)) {
        const record = await readRun(redis, keys, partition, run)
        if (!record) await forgetEnded(redis, keys, partition, run)
        // One that was opened again is looked at when it ends.
        else if (record.endedAt !== undefined) await raiseAlerts(app, record, log)
      }
    }
  }
}
