import type { Redis } from 'ioredis'
import { LANES, type Lane } from '../envelope.ts'
import type { StageName } from '../stage.ts'
import { createGroup, noneWithoutGroup, type RestoredGroup } from './groups.ts'
import type { Keys, Partition } from './keys.ts'
import { CONSUMER, ENTRY } from './schema.ts'
import { aloneScript, handOverScript, ownScript, promoteScript, reclaimScript, renewLeaseScript } from './scripts.ts'

/** An unparsed entry as Redis returned it; `text` is `undefined` where the entry has no envelope field. */
export interface RawEntry {
  key: string
  entryId: string
  /** The stream's name, without prefix, partition and lane. */
  stream: string
  lane: Lane
  text: string | undefined
  /** 1 when it was read, plus 1 for each time that work on it began without finishing, or that it was tried alone. */
  deliveries: number
}

/** After two processes died while working on it, an entry is a suspect; before that it was tried together with others. */
export const SUSPECT = 3

/** Entries that were delivered before, and how many more were trimmed before they were done. */
export interface Pending {
  entries: RawEntry[]
  lost: number
}

/** The reading side of one stage's streams: a consumer in the stage's group. Every method throws on a lost connection. */
export interface Queue {
  keys: readonly string[]
  laneOf(key: string): Lane
  /**
   * Creates missing groups, which read from the stream's beginning. A lost group is recreated at its last mark, so that only later entries
   * are read twice. Returns the recreated groups.
   */
  createGroups(): Promise<RestoredGroup[]>
  /** Names this reading connection, so that a consumer that shuts down can wake its reader to take over the rest at once. */
  announce(connection: Redis): Promise<void>
  /** Reads new entries, at most `count` from each of these streams; waits up to `blockMs` for one, or not at all. */
  read(connection: Redis, keys: readonly string[], count: number, blockMs: number | undefined): Promise<RawEntry[]>
  /** Returns entries already delivered to this consumer, after the given id; `next` is where to continue, `undefined` at the end. */
  readOwn(key: string, after: string, count: number): Promise<Pending & { next: string | undefined }>
  /** Puts delayed work back that is due by Redis's clock; returns when the next is due (ms since 1970, by our clock), or `undefined`. */
  promote(): Promise<number | undefined>
  /**
   * Takes over entries whose lease expired in these lanes, and moves the marks; `more` until all streams were searched. `holders` are the
   * consumers with pending entries, and where.
   */
  reclaim(leaseMs: number, count: number, lanes: readonly Lane[]): Promise<Reclaimed>
  /** Records that a suspect is about to be tried alone; returns its new delivery count, or 0 when another consumer has it. */
  tryAlone(entry: RawEntry): Promise<number>
  /** Renews the lease of entries that are still ours; returns those that are not. */
  renewLease(key: string, entryIds: readonly string[]): Promise<string[]>
  /** Renews leases likewise, and records that work on these entries begins: if this process dies meanwhile, that counts against them. */
  begin(key: string, entryIds: readonly string[]): Promise<string[]>
  /** Takes over all entries of dead consumers at once, and removes the consumers; returns how many entries that were. */
  inherit(isDead: (consumer: string) => boolean): Promise<number>
  /** Takes over one consumer's entries in one stream likewise. */
  inheritFrom(holder: Holder): Promise<number>
  /** Releases this consumer's pending entries to any other, wakes the others, and removes this consumer. */
  shutdown(): Promise<number>
}

/** A consumer with pending entries in a stream. */
export interface Holder {
  key: string
  consumer: string
}

interface Reclaimed extends Pending {
  more: boolean
  holders: Holder[]
}

const PROMOTE_AT_ONCE = 1000
const TAKE_OVER_AT_ONCE_MS = 86_400_000

type RedisEntry = [id: string, fields: string[], deliveries?: number]
type ReclaimedHere = [cursor: string, taken: RedisEntry[], trimmed: number, holders: string[]]

const FIRST_CURSOR = '0-0'

function placesOf(keys: Keys, partitions: readonly Partition[], streams: readonly string[]) {
  const places = LANES.flatMap(lane =>
    partitions.flatMap(partition =>
      streams.map(stream => [keys.stream(partition, stream, lane), { stream, lane }] as const),
    ),
  )
  return new Map(places)
}

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
  const places = placesOf(options.keys, partitions, options.streams)
  const keys = [...places.keys()]
  const laneOf = (key: string) => places.get(key)?.lane ?? 'live'
  const readerName = `${group}@${keys[0]}`
  // Streams that are still to be searched for expired leases, with the position to continue at.
  const unseen = new Map<string, string>()
  const marksOf = (key: string) => options.keys.marks(options.keys.partitionIn(key), group)

  return {
    keys,
    laneOf,

    async createGroups() {
      const made = await Promise.all(keys.map(key => createGroup(redis, { key, group, marks: marksOf(key) })))
      return made.filter(one => one !== undefined)
    },

    async announce(connection) {
      await connection.client('SETNAME', readerName).catch(notAllowed)
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
      const answer = await ownScript(redis, [key], [group, consumer, after, count])
      const [found, lost, last] = answer as [RedisEntry[], number, string]
      return { entries: found.map(entry => rawEntry(key, entry)), lost, next: last || undefined }
    },

    async promote() {
      const delays = partitions.map(partition => options.keys.delay(partition, group))
      const due = (await promoteScript(redis, [...delays, ...keys], [delays.length, PROMOTE_AT_ONCE])) as number
      return due < 0 ? undefined : now() + due
    },

    async reclaim(leaseMs, count, lanes) {
      if (unseen.size === 0) for (const key of keys) unseen.set(key, FIRST_CURSOR)
      const from = [...unseen].filter(([key]) => lanes.includes(laneOf(key)))
      if (from.length === 0) return { entries: [], lost: 0, more: true, holders: [] }
      const touched = [...from.map(([key]) => key), ...from.map(([key]) => marksOf(key))]
      const words = [group, consumer, leaseMs, count, ...from.map(([, cursor]) => cursor)]
      const answers = (await reclaimScript(redis, touched, words)) as ReclaimedHere[]
      const holders: Holder[] = []
      const entries = answers.flatMap(([cursor, taken, , others], place) => {
        const [key = ''] = from[place] ?? []
        if (cursor === FIRST_CURSOR) unseen.delete(key)
        else unseen.set(key, cursor)
        holders.push(...others.map(other => ({ key, consumer: other })))
        return taken.map(entry => rawEntry(key, entry))
      })
      const lost = answers.reduce((sum, [, , trimmed]) => sum + trimmed, 0)
      return { entries, lost, more: unseen.size > 0, holders }
    },

    tryAlone: async ({ key, entryId }) => (await aloneScript(redis, [key], [group, consumer, entryId])) as number,

    renewLease: async (key, entryIds) =>
      (await renewLeaseScript(redis, [key], [group, consumer, 0, ...entryIds])) as string[],
    begin: async (key, entryIds) =>
      (await renewLeaseScript(redis, [key], [group, consumer, 1, ...entryIds])) as string[],

    async inherit(isDead) {
      const counts = await Promise.all(
        keys.map(async key => {
          const consumers = ((await redis.xinfo('CONSUMERS', key, group)) as unknown[][]).map(fields =>
            String(fields[1]),
          )
          const dead = consumers.filter(name => name !== consumer && isDead(name))
          return Promise.all(dead.map(name => handOver(key, name, consumer, { idleMs: 0, recreated: false })))
        }),
      )
      return counts.flat().reduce((sum, count) => sum + count, 0)
    },

    inheritFrom: ({ key, consumer: dead }) => handOver(key, dead, consumer, { idleMs: 0, recreated: false }),

    async shutdown() {
      const counts = await Promise.all(
        keys.map(key =>
          handOver(key, consumer, CONSUMER.released, { idleMs: TAKE_OVER_AT_ONCE_MS, recreated: true }).catch(
            noneWithoutGroup,
          ),
        ),
      )
      const left = counts.reduce((sum, count) => sum + count, 0)
      if (left > 0) await wakeOthers().catch(notAllowed)
      return left
    },
  }

  // A blocked read that ends early was woken through the name that `announce` set.
  async function wakeOthers(): Promise<void> {
    const clients = String(await redis.client('LIST', 'TYPE', 'NORMAL')).split('\n')
    const readers = clients.filter(line => line.includes(` name=${readerName} `))
    const ids = readers.flatMap(line => /^id=(\d+) /.exec(line)?.[1] ?? [])
    await Promise.all(ids.map(id => redis.client('UNBLOCK', id)))
  }

  async function handOver(
    key: string,
    from: string,
    to: string,
    { idleMs, recreated }: { idleMs: number; recreated: boolean },
  ): Promise<number> {
    let total = 0
    for (;;) {
      const words = [group, from, to, idleMs, recreated ? 1 : 0]
      const [count, gone] = (await handOverScript(redis, [key], words)) as [number, number]
      total += count
      if (gone === 1 || count === 0) return total
    }
  }

  function entriesOf(answer: unknown): RawEntry[] {
    const streams = (answer ?? []) as [string, RedisEntry[]][]
    return streams.flatMap(([key, entries]) => entries.map(entry => rawEntry(key, entry)))
  }

  function rawEntry(key: string, [entryId, fields, deliveries = 1]: RedisEntry): RawEntry {
    const at = fields.indexOf(ENTRY.envelope)
    const { stream, lane } = places.get(key) ?? { stream: key, lane: 'live' }
    return { key, entryId, stream, lane, text: at >= 0 ? fields[at + 1] : undefined, deliveries }
  }
}

// Some hosts forbid CLIENT commands; the others then take over after a lease.
function notAllowed(): void {}
