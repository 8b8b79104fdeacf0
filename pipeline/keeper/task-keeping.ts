import { dropOutdated, dropOverfull, NEARLY_FULL, readUnread } from '../../shared/redis/unread.ts'
import type { AppContext } from '../base/app.ts'
import type { Log } from '../base/log.ts'
import { DAY_MS } from '../base/times.ts'
import { factsOf, taskLimits } from '../runtime/task-room.ts'
import type { Duty } from './keeper.ts'

/**
 * Keeps unread tasks within their size and age limits. Warns once a day near a limit, and drops the oldest tasks in a later round at the
 * earliest. Dropped tasks are logged as an error and recorded as `tasks-dropped` in the partition's mailbox events.
 */
export function createTaskKeeping(app: AppContext, log: Log): Duty {
  const { redis, keys, now } = app
  const limits = taskLimits(app)
  const warnedAt = new Map<'size' | 'age', number>()

  return async isOurs => {
    if (!(await isOurs())) return
    const unread = await readUnread(redis, keys, limits)
    const oldestMs = unread.oldestAt === undefined ? 0 : now() - unread.oldestAt
    const options = { goesOn: isOurs }
    if (warned('age', oldestMs >= limits.taskRetentionMs * NEARLY_FULL, agedText(limits.taskRetentionMs - oldestMs))) {
      reported(await dropOutdated(redis, keys, limits, options), 'TASK_RETENTION')
    }
    if (warned('size', unread.nearlyFull, 'unread tasks are near TASK_MAX_BYTES; above it the oldest are dropped')) {
      reported(await dropOverfull(redis, keys, limits, options), 'TASK_MAX_BYTES')
    }

    function warned(kind: 'size' | 'age', isNear: boolean, text: string): boolean {
      const before = warnedAt.get(kind)
      if (!isNear) warnedAt.delete(kind)
      else if (before === undefined || now() - before >= DAY_MS) {
        warnedAt.set(kind, now())
        log.warn({ ...factsOf(unread), days: Math.floor(oldestMs / DAY_MS) }, text)
      }
      return isNear && before !== undefined
    }
  }

  function reported(tasks: number, setting: 'TASK_RETENTION' | 'TASK_MAX_BYTES'): void {
    if (tasks === 0) return
    log.error(
      { tasks, setting },
      'dropped the oldest unread tasks, which no worker acknowledged in time; raise the setting to keep more',
    )
  }
}

function agedText(leftMs: number): string {
  const days = Math.max(0, Math.floor(leftMs / DAY_MS))
  return `the oldest unread task is dropped in ${days} days; acknowledge it from a worker or raise TASK_RETENTION`
}
