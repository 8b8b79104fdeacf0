import type { Redis } from 'ioredis'
import { LANES } from '../envelope.ts'
import type { StageName } from '../stage.ts'
import type { Keys, Partition } from './keys.ts'
import { giveUpScript, holdScript, promoteScript, reclaimScript } from './scripts.ts'

/** An entry as Redis gave it, not looked into yet; `text` is `undefined` where the entry has no envelope field. */
export interface RawEntry {
  key: string
  entryId: string
  /** The stream's name, without prefix, partition and lane. */
  stream: string
  text: string | undefined
}

/** The reading side of one stage's streams: a consumer in the stage's group. Every method throws on a lost connection. */
export interface Queue {
  keys: readonly string[]
  /** Makes sure that the group exists on every stream, reading from the stream's beginning. */
  createGroups(): Promise<void>
  /** New entries, at most `count` from each of these streams; waits up to `blockMs` for one, or not at all. */
  read(connection: Redis, keys: readonly string[], count: number, blockMs: number | undefined): Promise<RawEntry[]>
  /** Entries that were delivered to this consumer already, after the given id. */
  readOwn(key: string, after: string, count: number): Promise<RawEntry[]>
  /** Puts delayed work that is due back; tells when the next is due (ms), or `undefined`. */
  promote(): Promise<number | undefined>
  /** Takes over what other consumers have left lying for a lease; tells also how many entries were trimmed away unread. */
  reclaim(leaseMs: number, count: number): Promise<{ entries: RawEntry[]; lost: number }>
  /** Renews the lease of entries that are still ours; answers those that are not. */
  hold(key: string, entryIds: readonly string[]): Promise<string[]>
  /** Takes over at once everything of consumers that are known to be dead, and removes them. */
  inherit(isDead: (consumer: string) => boolean): Promise<number>
  /** Lets anybody have what this consumer still holds, and removes it. */
  leave(): Promise<number>
}

const PROMOTE_AT_ONCE = 1000
const TAKE_OVER_AT_ONCE_MS = 86_400_000

type Reclaimed = [cursor: string, taken: [string, string[]][], trimmed: number]

/** The queue of a stage over its streams, live before bulk, in the given partitions. */
export function createQueue(options: {
  redis: Redis
  keys: Keys
  stage: StageName
  streams: readonly string[]
  consumer: string
  partitions?: readonly Partition[]
  now: () => number
}): Queue {
  const { redis, stage: group, consumer, now } = options
  const partitions = options.partitions ?? options.keys.partitions
  const names = new Map<string, string>()
  for (const lane of LANES) {
    for (const partition of partitions) {
      for (const name of options.streams) names.set(options.keys.stream(partition, name, lane), name)
    }
  }
  const keys = [...names.keys()]
  const cursors = new Map<string, string>()

  return {
    keys,

    async createGroups() {
      await Promise.all(keys.map(key => redis.xgroup('CREATE', key, group, '0', 'MKSTREAM').catch(ignoreBusyGroup)))
    },

    async read(connection, from, count, blockMs) {
      const block = blockMs === undefined ? [] : (['BLOCK', Math.max(1, Math.ceil(blockMs))] as const)
      const answer = await connection.call(
        'XREADGROUP',
        'GROUP',
        group,
        consumer,
        'COUNT',
        count,
        ...block,
        'STREAMS',
        ...from,
        ...from.map(() => '>'),
      )
      return entriesOf(answer)
    },

    async readOwn(key, after, count) {
      return entriesOf(await redis.call('XREADGROUP', 'GROUP', group, consumer, 'COUNT', count, 'STREAMS', key, after))
    },

    async promote() {
      const delays = partitions.map(partition => options.keys.delay(partition, group))
      const due = (await promoteScript(redis, [...delays, ...keys], [delays.length, now(), PROMOTE_AT_ONCE])) as number
      return due < 0 ? undefined : due
    },

    async reclaim(leaseMs, count) {
      const from = keys.map(key => cursors.get(key) ?? '0-0')
      const answers = (await reclaimScript(redis, keys, [group, consumer, leaseMs, count, ...from])) as Reclaimed[]
      const entries = keys.flatMap((key, place) => {
        const [cursor, taken] = answers[place] ?? ['0-0', [], 0]
        cursors.set(key, cursor)
        return taken.map(entry => rawEntry(key, entry))
      })
      return { entries, lost: answers.reduce((sum, [, , trimmed]) => sum + trimmed, 0) }
    },

    hold: async (key, entryIds) => (await holdScript(redis, [key], [group, consumer, ...entryIds])) as string[],

    async inherit(isDead) {
      const counts = await Promise.all(
        keys.map(async key => {
          const consumers = ((await redis.xinfo('CONSUMERS', key, group)) as unknown[][]).map(fields =>
            String(fields[1]),
          )
          const dead = consumers.filter(name => name !== consumer && isDead(name))
          return Promise.all(dead.map(name => handOver(key, name, consumer, 0)))
        }),
      )
      return counts.flat().reduce((sum, count) => sum + count, 0)
    },

    async leave() {
      const counts = await Promise.all(
        keys.map(key => handOver(key, consumer, '__released', TAKE_OVER_AT_ONCE_MS).catch(noneWithoutGroup)),
      )
      return counts.reduce((sum, count) => sum + count, 0)
    },
  }

  async function handOver(key: string, from: string, to: string, idleMs: number): Promise<number> {
    let total = 0
    for (;;) {
      const [count, gone] = (await giveUpScript(redis, [key], [group, from, to, idleMs])) as [number, number]
      total += count
      if (gone === 1 || count === 0) return total
    }
  }

  function entriesOf(answer: unknown): RawEntry[] {
    const streams = (answer ?? []) as [string, [string, string[] | null][]][]
    return streams.flatMap(([key, entries]) => entries.map(entry => rawEntry(key, entry)))
  }

  function rawEntry(key: string, [entryId, fields]: [string, string[] | null]): RawEntry {
    const at = fields?.indexOf('envelope') ?? -1
    return { key, entryId, stream: names.get(key) ?? key, text: at >= 0 ? fields?.[at + 1] : undefined }
  }
}

function ignoreBusyGroup(error: Error): void {
  if (!error.message.startsWith('BUSYGROUP')) throw error
}

function noneWithoutGroup(error: Error): number {
  if (!error.message.includes('NOGROUP')) throw error
  return 0
}
