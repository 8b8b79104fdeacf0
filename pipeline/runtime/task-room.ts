import type { Redis } from 'ioredis'
import type { Config } from '../../shared/config.ts'
import { MailError } from '../../shared/error.ts'
import type { Keys } from '../../shared/redis/keys.ts'
import { readUnread, type TaskLimits, type UnreadTasks } from '../../shared/redis/unread.ts'
import type { Stage } from '../../shared/stage.ts'
import type { Log } from '../base/log.ts'
import { MINUTE_MS } from '../base/times.ts'

/** The Redis and settings to measure the room for tasks. */
export interface RoomOptions {
  redis: Redis
  keys: Keys
  config: Pick<Config, 'STREAM_RETENTION' | 'TASK_RETENTION' | 'TASK_MAX_BYTES'>
  now: () => number
}

const MEASURE_EVERY_MS = 5000
// Well below the threshold of the pause, so that listing does not flap.
const RESUME_BELOW = 0.7
const MB = 1024 * 1024

/**
 * Pauses bulk listing while unread tasks fill four fifths of `TASK_MAX_BYTES`, and resumes it below seven tenths. Live listing continues: its
 * mail is new, and its tasks are few.
 */
export function withTaskRoom(stage: Stage, app: RoomOptions, log: Log): Stage {
  const { redis, keys, now } = app
  const limits = taskLimits(app)
  let pausedAt: number | undefined
  let measuredAt = Number.NEGATIVE_INFINITY

  return {
    ...stage,
    async handle(batch, ctx) {
      if (batch.items[0]?.lane === 'bulk') await measure()
      if (batch.items[0]?.lane === 'bulk' && pausedAt !== undefined) {
        const text = 'unread tasks nearly fill TASK_MAX_BYTES; bulk listing waits until workers acknowledge tasks'
        throw new MailError('throttled', text, { retryAfterMs: MEASURE_EVERY_MS, isOurs: true })
      }
      return stage.handle(batch, ctx)
    },
  }

  async function measure(): Promise<void> {
    if (now() - measuredAt < MEASURE_EVERY_MS) return
    const unread = await readUnread(redis, keys, limits)
    measuredAt = now()
    const { bytes = 0, maxBytes } = unread
    if (pausedAt === undefined && unread.nearlyFull) {
      pausedAt = now()
      log.warn(
        factsOf(unread),
        'unread tasks nearly fill TASK_MAX_BYTES; bulk listing pauses until workers acknowledge tasks or the setting is raised',
      )
    } else if (pausedAt !== undefined && bytes < maxBytes * RESUME_BELOW) {
      log.info(
        { ...factsOf(unread), pausedMs: now() - pausedAt },
        'there is room for tasks again; bulk listing resumes',
      )
      pausedAt = undefined
    }
  }
}

/** Returns the configured age and size limits of tasks. */
export function taskLimits({ config }: Pick<RoomOptions, 'config'>): TaskLimits {
  return {
    retentionMs: config.STREAM_RETENTION * 1000,
    taskRetentionMs: config.TASK_RETENTION * 1000,
    maxBytes: config.TASK_MAX_BYTES,
  }
}

/** Returns the fields of a log line about unread tasks: their number and size in MB. */
export function factsOf({ tasks, bytes, maxBytes }: UnreadTasks): Record<string, unknown> {
  return { tasks, mb: bytes === undefined ? undefined : inMb(bytes), ofMb: inMb(maxBytes) }
}

/** Describes unread tasks for people. */
export function unreadLine(unread: UnreadTasks, now: number): string {
  const { tasks, bytes, maxBytes, oldestAt, nearlyFull } = unread
  if (tasks === 0 || oldestAt === undefined) return 'Unread tasks: none'
  const room = `${bytes === undefined ? 'unknown' : inMb(bytes)} of ${inMb(maxBytes)} MB`
  const pause = nearlyFull ? '; bulk listing pauses until workers acknowledge them' : ''
  return `Unread tasks: ${tasks ?? 'unknown'} (${room}), the oldest ${ageOf(now - oldestAt)} old${pause}`
}

function ageOf(ms: number): string {
  const minutes = Math.floor(ms / MINUTE_MS)
  if (minutes < 120) return `${minutes} min`
  return minutes < 48 * 60 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / (24 * 60))} days`
}

function inMb(bytes: number): number {
  return Math.round((bytes / MB) * 10) / 10
}
