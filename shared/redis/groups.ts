import type { Redis } from 'ioredis'

/** A group that was there before and had to be made again, and the entry id after which it reads. */
export interface RestoredGroup {
  key: string
  from: string
}

const FROM_THE_START = '0'

/**
 * Makes sure that a stream and its group exist. A new group reads from the stream's beginning, one that was lost from its mark, up to
 * which everything is done; never from the stream's end, which would skip what is in it. Answers only what was lost.
 */
export async function createGroup(
  redis: Redis,
  { key, group, marks }: { key: string; group: string; marks: string },
): Promise<RestoredGroup | undefined> {
  if (await hasGroup(redis, key, group)) return undefined
  const mark = await redis.hget(marks, key)
  // A mark beyond the stream's end was made of an earlier stream: it says nothing about this one.
  const from = mark !== null && isUpTo(mark, await lastIdOf(redis, key)) ? mark : FROM_THE_START
  const created = await redis.xgroup('CREATE', key, group, from, 'MKSTREAM').then(() => true, whenBusyGroup)
  return created && mark !== null ? { key, from } : undefined
}

async function hasGroup(redis: Redis, key: string, group: string): Promise<boolean> {
  const groups = (await redis.xinfo('GROUPS', key).catch(noneWithoutKey)) as unknown[][]
  return groups.some(fields => fields[fields.indexOf('name') + 1] === group)
}

async function lastIdOf(redis: Redis, key: string): Promise<string> {
  const fields = (await redis.xinfo('STREAM', key).catch(noneWithoutKey)) as unknown[]
  const place = fields.indexOf('last-generated-id')
  return place < 0 ? '0-0' : String(fields[place + 1])
}

/** Whether an entry id is not after another. */
function isUpTo(id: string, other: string): boolean {
  const [ms = 0n, seq = 0n] = id.split('-').map(BigInt)
  const [otherMs = 0n, otherSeq = 0n] = other.split('-').map(BigInt)
  return ms < otherMs || (ms === otherMs && seq <= otherSeq)
}

function whenBusyGroup(error: Error): false {
  if (!error.message.startsWith('BUSYGROUP')) throw error
  return false
}

function noneWithoutKey(error: Error): [] {
  if (!/no such key/i.test(error.message)) throw error
  return []
}
