import type { Redis } from 'ioredis'
import type { Config } from '../../shared/config.ts'
import { MailError } from '../../shared/error.ts'
import type { Keys } from '../../shared/redis/keys.ts'
import { readUnread, type TaskLimits, type UnreadTasks } from '../../shared/redis/unread.ts'
import type { Stage } from '../../shared/stage.ts'
import type { Log } from '../base/log.ts'

/** What it takes to measure the room for tasks. */
export interface RoomOptions {
  redis: Redis
  keys: Keys
  config: Pick<Config, 'STREAM_RETENTION' | 'TASK_RETENTION' | 'TASK_MAX_BYTES'>
  now: () => number
}

const LOOK_EVERY_MS = 5000
// Half of what is left between the pause and the limit, so that listing does not come and go.
const GOES_ON_BELOW = 0.7
const MB = 1024 * 1024

/**
 * The first stage, which lists nothing in bulk while unread tasks take four fifths of their room, and goes on once they take less than
 * seven tenths. Live listing goes on: its mail is new, and what it brings is little.
 */
export function withTaskRoom(stage: Stage, app: RoomOptions, log: Log): Stage {
  const { redis, keys, now } = app
  const limits = taskLimits(app)
  let pausedAt: number | undefined
  let lookedAt = Number.NEGATIVE_INFINITY

  return {
    ...stage,
    async handle(batch, ctx) {
      if (batch.items[0]?.lane === 'bulk') await look()
      if (batch.items[0]?.lane === 'bulk' && pausedAt !== undefined) {
        const words = 'unread tasks take up their room; bulk listing waits until workers acknowledge them'
        throw new MailError('throttled', words, { retryAfterMs: LOOK_EVERY_MS, isOurs: true })
      }
      return stage.handle(batch, ctx)
    },
  }

  async function look(): Promise<void> {
    if (now() - lookedAt < LOOK_EVERY_MS) return
    const unread = await readUnread(redis, keys, limits)
    lookedAt = now()
    const { bytes = 0, maxBytes } = unread
    if (pausedAt === undefined && unread.nearlyFull) {
      pausedAt = now()
      log.warn(
        factsOf(unread),
        'unread tasks take up most of their room: bulk listing pauses until workers acknowledge them or TASK_MAX_BYTES is raised',
      )
    } else if (pausedAt !== undefined && bytes < maxBytes * GOES_ON_BELOW) {
      log.info(
        { ...factsOf(unread), pausedMs: now() - pausedAt },
        'there is room for tasks again; bulk listing goes on',
      )
      pausedAt = undefined
    }
  }
}

/** How long and up to what size tasks are kept, by the settings. */
export function taskLimits({ config }: Pick<RoomOptions, 'config'>): TaskLimits {
  return {
    retentionMs: config.STREAM_RETENTION * 1000,
    taskRetentionMs: config.TASK_RETENTION * 1000,
    maxBytes: config.TASK_MAX_BYTES,
  }
}

/** Unread tasks for a log line: how many, and their room in MB. */
export function factsOf({ tasks, bytes, maxBytes }: UnreadTasks): Record<string, unknown> {
  return { tasks, mb: bytes === undefined ? undefined : inMb(bytes), ofMb: inMb(maxBytes) }
}

/** Unread tasks in a line for people. */
export function unreadLine(unread: UnreadTasks, now: number): string {
  const { tasks, bytes, maxBytes, oldestAt, nearlyFull } = unread
  if (tasks === 0 || oldestAt === undefined) return 'Unread tasks: none'
  const room = `${bytes === undefined ? 'unknown' : inMb(bytes)} of ${inMb(maxBytes)} MB`
  const pause = nearlyFull ? '; bulk listing pauses until workers acknowledge them' : ''
  return `Unread tasks: ${tasks ?? 'unknown'} (${room}), the oldest ${ageOf(now - oldestAt)} old${pause}`
}

function ageOf(ms: number): string {
  const minutes = Math.floor(ms / 60_000)
  if (minutes < 120) return `${minutes} min`
  return minutes < 48 * 60 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / (24 * 60))} days`
}

function inMb(bytes: number): number {
  return Math.round((bytes / MB) * 10) / 10
}
