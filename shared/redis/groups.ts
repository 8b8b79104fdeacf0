import type { Redis } from 'ioredis'

/** A group that was there before and had to be made again, and the entry id after which it reads. */
export interface RestoredGroup {
  key: string
  from: string
}

/** How far a group is with a stream; `lag` is `undefined` where Redis cannot tell. */
interface GroupState {
  exists: boolean
  lag: number | undefined
  pending: number
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
  if (await findGroup(redis, key, group)) return undefined
  const mark = await redis.hget(marks, key)
  // A mark beyond the stream's end was made of an earlier stream: it says nothing about this one.
  const from = mark !== null && isUpTo(mark, await lastIdOf(redis, key)) ? mark : FROM_THE_START
  const created = await redis.xgroup('CREATE', key, group, from, 'MKSTREAM').then(() => true, whenBusyGroup)
  return created && mark !== null ? { key, from } : undefined
}

/** How many entries of a stream wait for a group, and how many are delivered and not acknowledged. */
export async function readGroup(redis: Redis, key: string, group: string): Promise<GroupState> {
  const fields = await findGroup(redis, key, group)
  if (!fields) return { exists: false, lag: await redis.xlen(key), pending: 0 }
  const lag = fieldOf(fields, 'lag')
  const pending = Number(fieldOf(fields, 'pending'))
  if (lag === null) return { exists: true, lag: undefined, pending }
  // Loaded from an append-only file, a group has forgotten how many entries it has read and overstates its lag, until reclaim.lua sets
  // it right; one that was given the stream's last entry has none.
  const atEnd = Number(lag) > 0 && (await lastIdOf(redis, key)) === fieldOf(fields, 'last-delivered-id')
  return { exists: true, lag: atEnd ? 0 : Number(lag), pending }
}

async function findGroup(redis: Redis, key: string, group: string): Promise<unknown[] | undefined> {
  const groups = (await redis.xinfo('GROUPS', key).catch(noneWithoutKey)) as unknown[][]
  return groups.find(fields => fieldOf(fields, 'name') === group)
}

async function lastIdOf(redis: Redis, key: string): Promise<string> {
  const fields = (await redis.xinfo('STREAM', key).catch(noneWithoutKey)) as unknown[]
  return fields.length === 0 ? '0-0' : String(fieldOf(fields, 'last-generated-id'))
}

function fieldOf(fields: unknown[], name: string): unknown {
  return fields[fields.indexOf(name) + 1]
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
