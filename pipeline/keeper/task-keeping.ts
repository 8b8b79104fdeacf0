import { dropOutdated, dropOverfull, NEARLY_FULL, readUnread } from '../../shared/redis/unread.ts'
import type { AppContext } from '../base/app.ts'
import type { Log } from '../base/log.ts'
import { factsOf, taskLimits } from '../runtime/task-room.ts'
import type { Duty } from './keeper.ts'

const DAY_MS = 24 * 3_600_000

/**
 * Keeps unread tasks within their size and age. It warns when they come near, once a day, and drops the oldest in a later round at the
 * earliest; what it drops is an error in the log, and an entry `tasks-dropped` in the partition's mailbox events.
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
    if (
      warned(
        'size',
        unread.nearlyFull,
        'unread tasks take up most of their room; once they fill it the oldest are dropped',
      )
    ) {
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
      'dropped the oldest unread tasks: no worker acknowledged them in time; raise the setting to keep more',
    )
  }
}

function agedText(leftMs: number): string {
  const days = Math.max(0, Math.floor(leftMs / DAY_MS))
  return `the oldest unread task is dropped in ${days} days: let workers read and acknowledge it, or raise TASK_RETENTION`
}
