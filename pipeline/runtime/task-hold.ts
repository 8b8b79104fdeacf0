import { MailError } from '../../shared/error.ts'
import type { Fact } from '../../shared/fact.ts'
import { readBacklog } from '../../shared/redis/backlog.ts'
import { readUnread } from '../../shared/redis/unread.ts'
import type { Stage } from '../../shared/stage.ts'
import type { MergedWindow } from '../../shared/streams.ts'
import { aiDispatch } from '../../stages/ai-dispatch.ts'
import { THREADS_A_RELEASE } from '../../stages/thread-group/thread-group.ts'
import type { Log } from '../base/log.ts'
import { factsOf, type RoomOptions, taskLimits } from './task-room.ts'

const LOOK_EVERY_MS = 5000
// The rest is left to live mail.
const BULK_SHARE = 0.9
// Before there is any task to measure.
const BYTES_A_TASK = 2000

/**
 * The stage that lets threads out, which keeps those of bulk runs until their tasks fit beside the unread ones: a run lists all its mail
 * before its first task, so a pause of the listing alone would come too late. Live runs are never kept, nor is a run while nothing is unread.
 */
export function withTaskHold(stage: Stage, app: RoomOptions, log: Log): Stage {
  const { redis, keys, now } = app
  const limits = taskLimits(app)
  let room = 0
  let lookedAt = Number.NEGATIVE_INFINITY
  let heldAt: number | undefined

  return {
    ...stage,
    async handle(batch, ctx) {
      const releases = batch.items.filter(({ lane, body }) => lane === 'bulk' && (body as MergedWindow).release)
      if (releases.length === 0) return stage.handle(batch, ctx)
      const tasks = releases.length * THREADS_A_RELEASE
      if (await fits(tasks)) {
        room -= tasks
        const outcome = await stage.handle(batch, ctx)
        room += tasks - (outcome.facts ?? []).filter(isRelease).length
        return outcome
      }
      const others = batch.items.filter(item => !releases.includes(item))
      const outcome = others.length > 0 ? await stage.handle({ ...batch, items: others }, ctx) : {}
      const words = 'unread tasks take up their room; threads wait until workers acknowledge them'
      const error = new MailError('throttled', words, { retryAfterMs: LOOK_EVERY_MS, isOurs: true })
      return { ...outcome, failed: [...(outcome.failed ?? []), ...releases.map(item => ({ item, error }))] }
    },
  }

  async function fits(tasks: number): Promise<boolean> {
    if (now() - lookedAt >= LOOK_EVERY_MS || room < tasks) await look(tasks)
    return room >= tasks
  }

  async function look(tasks: number): Promise<void> {
    const [unread, backlog] = await Promise.all([
      readUnread(redis, keys, limits),
      readBacklog(redis, keys, [aiDispatch]),
    ])
    lookedAt = now()
    const { bytes, maxBytes, eachBytes } = unread
    const coming = backlog.reduce((sum, { waiting, inWork }) => sum + (waiting ?? 0) + inWork, 0)
    const isEmpty = unread.tasks === 0 && coming === 0
    const left = Math.floor((maxBytes * BULK_SHARE - (bytes ?? 0)) / (eachBytes || BYTES_A_TASK)) - coming
    // However small the room, one goes out while nothing is unread.
    room = bytes === undefined ? Number.POSITIVE_INFINITY : isEmpty ? Math.max(left, tasks) : left
    if (room < tasks && heldAt === undefined) {
      heldAt = now()
      log.warn(
        factsOf(unread),
        'unread tasks take up their room: threads of first syncs wait until workers acknowledge them',
      )
    } else if (room >= tasks && heldAt !== undefined) {
      log.info(
        { ...factsOf(unread), heldMs: now() - heldAt },
        'there is room for tasks again; threads of first syncs go out',
      )
      heldAt = undefined
    }
  }
}

function isRelease(fact: Fact): boolean {
  return fact.fact === 'thread-released' && fact.delivery !== undefined
}
