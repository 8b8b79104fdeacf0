import { forgetEnded, unjudgedRuns } from '../../shared/redis/alerts.ts'
import { readRun } from '../../shared/redis/runs.ts'
import type { AppContext } from '../base/app.ts'
import type { Log } from '../base/log.ts'
import { raiseAlerts } from '../runtime/raise-alerts.ts'
import type { Duty } from './keeper.ts'

// Gives the process that ended a run time to evaluate it.
const UNJUDGED_AFTER_MS = 10_000

/** Raises alerts for runs whose process died after the run ended and before it raised them. */
export function createRunAlerting(app: AppContext, log: Log): Duty {
  const { redis, keys, now } = app
  return async isOurs => {
    for (const partition of keys.partitions) {
      if (!(await isOurs())) return
      for (const run of await unjudgedRuns(redis, keys, partition, now() - UNJUDGED_AFTER_MS)) {
        const record = await readRun(redis, keys, partition, run)
        if (!record) await forgetEnded(redis, keys, partition, run)
        // A reopened run is evaluated when it ends.
        else if (record.endedAt !== undefined) await raiseAlerts(app, record, log)
      }
    }
  }
}
