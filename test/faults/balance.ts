import type { Lane } from '../../shared/envelope.ts'
import { openEntry } from '../../shared/slice.ts'
import type { StageName } from '../../shared/stage.ts'
import { fetchedMessages, missingIds, type Stream } from '../../shared/streams.ts'
import { ANA, type TestPipeline } from '../support/pipeline.ts'

/** The places of all ids that a stage ever received, and the ids in no place or in two. */
export interface Balance {
  astray: readonly string[]
  done: number
  delayed: number
  inWork: number
  unread: number
}

type RedisEntry = [id: string, fields: string[]]

/**
 * Takes an atomic snapshot of batch-fetch. Every id it ever received must be in exactly one state: it
 * is done (and dead, if that is its fate), delayed, in work, or unread.
 */
export async function balanceOf({ app }: TestPipeline): Promise<Balance> {
  const { redis, keys } = app
  const partition = keys.partitionOf(ANA)
  const group: StageName = 'batch-fetch'
  const key = (stream: Stream, lane: Lane) => keys.stream(partition, stream.name, lane)
  const lanes: Lane[] = ['live', 'bulk']
  const look = redis.multi()
  for (const lane of lanes) {
    look.xrange(key(missingIds, lane), '-', '+')
    look.xrange(key(fetchedMessages, lane), '-', '+')
    look.xpending(key(missingIds, lane), group, '-', '+', 100_000)
    look.xinfo('GROUPS', key(missingIds, lane))
  }
  look.zrange(keys.delay(partition, group), '0', '-1')
  const answers = ((await look.exec()) ?? []).map(([error, answer]) => {
    if (error) throw error
    return answer
  })
  const given = new Set<string>()
  const done: string[] = []
  const inWork: string[] = []
  const unread: string[] = []
  for (const at of lanes.keys()) {
    const [ins, outs, pending, groups] = answers.slice(4 * at, 4 * at + 4) as [
      RedisEntry[],
      RedisEntry[],
      [string][],
      unknown[][],
    ]
    const held = new Set(pending.map(([entryId]) => entryId))
    const [fields = []] = groups
    const last = String(fields[fields.indexOf('last-delivered-id') + 1])
    for (const entry of ins) {
      const ids = idsOf(missingIds, entry[1][1])
      for (const id of ids) given.add(id)
      if (held.has(entry[0])) inWork.push(...ids)
      else if (isAfter(entry[0], last)) unread.push(...ids)
    }
    done.push(...outs.flatMap(([, fields]) => idsOf(fetchedMessages, fields[1])))
  }
  const delayed = (answers.at(-1) as string[]).flatMap(member =>
    idsOf(missingIds, member.slice(member.indexOf('\n') + 1)),
  )
  const places = [...done, ...delayed, ...inWork, ...unread]
  const astray = [...given].filter(id => places.filter(place => place === id).length !== 1)
  return { astray, done: done.length, delayed: delayed.length, inWork: inWork.length, unread: unread.length }
}

function idsOf(stream: Stream, text = ''): string[] {
  return openEntry(stream, text).items.map(({ id }) => id)
}

function isAfter(id: string, other: string): boolean {
  const [ms = 0, seq = 0] = id.split('-').map(Number)
  const [otherMs = 0, otherSeq = 0] = other.split('-').map(Number)
  return ms > otherMs || (ms === otherMs && seq > otherSeq)
}
