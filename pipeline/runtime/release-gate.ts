import { MailError } from '../../shared/error.ts'
import type { Fact } from '../../shared/fact.ts'
import { readBacklog } from '../../shared/redis/backlog.ts'
import { readUnread } from '../../shared/redis/unread.ts'
import type { Stage } from '../../shared/stage.ts'
import type { MergedWindow } from '../../shared/streams.ts'
import { aiDispatch } from '../../stages/ai-dispatch.ts'
import { THREADS_PER_RELEASE } from '../../stages/thread-group/thread-group.ts'
import type { Log } from '../base/log.ts'
import { factsOf, type RoomOptions, taskLimits } from './task-room.ts'

const MEASURE_EVERY_MS = 5000
// The rest is reserved for live mail.
const BULK_SHARE = 0.9
// Used until there is a task to measure.
const BYTES_PER_TASK = 2000

/**
 * Defers the release of bulk threads until their tasks fit beside the unread ones. A run lists all its mail before its first task, so pausing
 * the listing alone would be too late. Live runs are never deferred, nor is any run while no task is unread.
 */
export function withReleaseGate(stage: Stage, app: RoomOptions, log: Log): Stage {
  const { redis, keys, now } = app
  const limits = taskLimits(app)
  let room = 0
  let measuredAt = Number.NEGATIVE_INFINITY
  let deferredAt: number | undefined

  return {
    ...stage,
    async handle(batch, ctx) {
      const releases = batch.items.filter(({ lane, body }) => lane === 'bulk' && (body as MergedWindow).release)
      if (releases.length === 0) return stage.handle(batch, ctx)
      const tasks = releases.length * THREADS_PER_RELEASE
      if (await fits(tasks)) {
        room -= tasks
        const outcome = await stage.handle(batch, ctx)
        room += tasks - (outcome.facts ?? []).filter(isRelease).length
        return outcome
      }
      const others = batch.items.filter(item => !releases.includes(item))
      const outcome = others.length > 0 ? await stage.handle({ ...batch, items: others }, ctx) : {}
      const text = 'unread tasks fill TASK_MAX_BYTES; threads wait until workers acknowledge tasks'
      const error = new MailError('throttled', text, { retryAfterMs: MEASURE_EVERY_MS, isOurs: true })
      return { ...outcome, failed: [...(outcome.failed ?? []), ...releases.map(item => ({ item, error }))] }
    },
  }

  async function fits(tasks: number): Promise<boolean> {
    if (now() - measuredAt >= MEASURE_EVERY_MS || room < tasks) await measure(tasks)
    return room >= tasks
  }

  async function measure(tasks: number): Promise<void> {
    const [unread, backlog] = await Promise.all([
      readUnread(redis, keys, limits),
      readBacklog(redis, keys, [aiDispatch]),
    ])
    measuredAt = now()
    const { bytes, maxBytes, eachBytes } = unread
    const coming = backlog.reduce((sum, { waiting, inWork }) => sum + (waiting ?? 0) + inWork, 0)
    const isEmpty = unread.tasks === 0 && coming === 0
    const left = Math.floor((maxBytes * BULK_SHARE - (bytes ?? 0)) / (eachBytes || BYTES_PER_TASK)) - coming
    // While nothing is unread, one release is emitted however small the room is.
    room = bytes === undefined ? Number.POSITIVE_INFINITY : isEmpty ? Math.max(left, tasks) : left
    if (room < tasks && deferredAt === undefined) {
      deferredAt = now()
      log.warn(factsOf(unread), 'unread tasks fill TASK_MAX_BYTES; first syncs wait until workers acknowledge tasks')
    } else if (room >= tasks && deferredAt !== undefined) {
      log.info({ ...factsOf(unread), heldMs: now() - deferredAt }, 'there is room for tasks again; first syncs resume')
      deferredAt = undefined
    }
  }
}

function isRelease(fact: Fact): boolean {
  return fact.fact === 'thread-released' && fact.delivery !== undefined
}
