import type { Redis } from 'ioredis'
import { LANES } from '../envelope.ts'
import { STREAMS } from '../streams.ts'
import type { Keys, Partition } from './keys.ts'
import { dropScript, unreadScript } from './scripts.ts'

/** The limits on tasks that some group has not acknowledged; times are in ms. */
export interface TaskLimits {
  /** How long acknowledged tasks are kept. */
  retentionMs: number
  taskRetentionMs: number
  /** The memory limit; by default a quarter of the server's `maxmemory`, or 256 MB where the server has none. */
  maxBytes: number | undefined
}

/** The tasks that some group has not acknowledged, in all partitions; without a group all tasks count. */
export interface UnreadTasks {
  /** `undefined` where the server cannot tell. */
  tasks: number | undefined
  /** The memory that they keep in use, estimated from a sample; `undefined` where the server cannot tell. */
  bytes: number | undefined
  maxBytes: number
  /** The memory of one task in the stream with the largest tasks, read or not; 0 where it is unknown. */
  eachBytes: number
  /** When the oldest of them was written, in ms since 1970. */
  oldestAt: number | undefined
  /** Whether they use at least `NEARLY_FULL` of `maxBytes`. */
  nearlyFull: boolean
  /** The streams that hold unread tasks. */
  streams: readonly UnreadStream[]
}

interface UnreadStream {
  key: string
  partition: Partition
  tasks: number
  bytes: number
  oldestAt: number
  each: number
}

/** The share of the memory for unread tasks at which bulk listing pauses. */
export const NEARLY_FULL = 0.8

const SHARE_OF_MEMORY = 0.25
const MB = 1024 * 1024
const ROOM_WITHOUT_LIMIT = 256 * MB
const DROP_AT_ONCE = 100

/** Measures the unread tasks with one script a partition; writes nothing. */
export async function readUnread(redis: Redis, keys: Keys, limits: TaskLimits): Promise<UnreadTasks> {
  const [maxBytes, found] = await Promise.all([
    limits.maxBytes ?? roomOf(redis),
    Promise.all(keys.partitions.map(partition => streamsOf(redis, keys, partition, limits))),
  ])
  const all = found.flat()
  const streams = all.filter(({ oldestAt }) => oldestAt > 0)
  const tasks = sum(streams.map(stream => stream.tasks))
  const bytes = sum(streams.map(stream => stream.bytes))
  return {
    tasks,
    bytes,
    maxBytes,
    eachBytes: Math.max(0, ...all.map(({ each }) => each)),
    oldestAt: streams.length > 0 ? Math.min(...streams.map(({ oldestAt }) => oldestAt)) : undefined,
    nearlyFull: bytes !== undefined && bytes >= maxBytes * NEARLY_FULL,
    streams,
  }
}

/**
 * Drops the oldest unread tasks until the rest fits in its memory limit; returns how many. Measures again after at most a hundred, and
 * checks `goesOn` before each drop.
 */
export async function dropOverfull(
  redis: Redis,
  keys: Keys,
  limits: TaskLimits,
  options: { goesOn: () => Promise<boolean> },
): Promise<number> {
  let dropped = 0
  for (;;) {
    const { bytes = 0, maxBytes, streams } = await readUnread(redis, keys, limits)
    const [oldest] = streams.toSorted((a, b) => a.oldestAt - b.oldestAt)
    if (!oldest || bytes <= maxBytes || !(await options.goesOn())) return dropped
    const each = Math.max(1, oldest.bytes / Math.max(1, oldest.tasks))
    const most = Math.min(DROP_AT_ONCE, Math.ceil((bytes - maxBytes) / each))
    const [removed, unread] = await drop(redis, keys, oldest, { most, reason: 'TASK_MAX_BYTES' })
    dropped += unread
    if (removed === 0) return dropped
  }
}

/** Drops unread tasks that are older than their retention by the server's clock; returns how many. */
export async function dropOutdated(
  redis: Redis,
  keys: Keys,
  limits: TaskLimits,
  options: { goesOn: () => Promise<boolean> },
): Promise<number> {
  let dropped = 0
  const { streams } = await readUnread(redis, keys, limits)
  for (const stream of streams) {
    for (;;) {
      if (!(await options.goesOn())) return dropped
      const bounds = { olderThan: limits.taskRetentionMs, most: DROP_AT_ONCE, reason: 'TASK_RETENTION' }
      const [removed, unread] = await drop(redis, keys, stream, bounds)
      dropped += unread
      if (removed < DROP_AT_ONCE) break
    }
  }
  return dropped
}

async function drop(
  redis: Redis,
  keys: Keys,
  { key, partition }: UnreadStream,
  { most, olderThan, reason }: { most: number; olderThan?: number; reason: string },
): Promise<[removed: number, unread: number]> {
  const words = [most, olderThan ?? '', reason]
  return (await dropScript(redis, [key, keys.mailboxEvents(partition)], words)) as [number, number]
}

async function streamsOf(
  redis: Redis,
  keys: Keys,
  partition: Partition,
  { retentionMs }: TaskLimits,
): Promise<UnreadStream[]> {
  const names = STREAMS.filter(({ forWorkers }) => forWorkers).map(({ name }) => name)
  const all = names.flatMap(name => LANES.map(lane => keys.stream(partition, name, lane)))
  const answer = (await unreadScript(redis, all, [retentionMs])) as [number, number, string, number][]
  return all.flatMap((key, place) => {
    const [tasks, bytes, oldest, each] = answer[place] ?? [0, 0, '', 0]
    return [{ key, partition, tasks, bytes, oldestAt: oldest === '' ? 0 : Number.parseInt(oldest, 10), each }]
  })
}

async function roomOf(redis: Redis): Promise<number> {
  const maxMemory = Number(/^maxmemory:(\d+)/m.exec(await redis.info())?.[1] ?? 0)
  return maxMemory > 0 ? Math.floor(maxMemory * SHARE_OF_MEMORY) : ROOM_WITHOUT_LIMIT
}

// A negative number stands for "unknown".
function sum(numbers: readonly number[]): number | undefined {
  return numbers.some(number => number < 0) ? undefined : numbers.reduce((total, number) => total + number, 0)
}
