import type { Redis } from 'ioredis'

/** A group that was missing and was recreated, with the entry id after which it reads. */
export interface RestoredGroup {
  key: string
  from: string
}

/** A group's progress in a stream; `lag` is `undefined` where Redis cannot tell. */
interface GroupState {
  exists: boolean
  lag: number | undefined
  pending: number
}

const FROM_THE_START = '0'

/**
 * Creates a stream and its group where they are missing. A new group reads from the beginning. A recreated group reads from its mark, up to
 * which everything is done; never from the end, which would skip entries. Returns only a recreated group.
 */
export async function createGroup(
  redis: Redis,
  { key, group, marks }: { key: string; group: string; marks: string },
): Promise<RestoredGroup | undefined> {
  if (await findGroup(redis, key, group)) return undefined
  const mark = await redis.hget(marks, key)
  // A mark beyond the stream's end belongs to an earlier stream and says nothing about this one.
  const from = mark !== null && isUpTo(mark, await lastIdOf(redis, key)) ? mark : FROM_THE_START
  const created = await redis.xgroup('CREATE', key, group, from, 'MKSTREAM').then(() => true, whenBusyGroup)
  return created && mark !== null ? { key, from } : undefined
}

/** Returns how many entries of a stream wait for a group, and how many are delivered and not acknowledged. */
export async function readGroup(redis: Redis, key: string, group: string): Promise<GroupState> {
  const fields = await findGroup(redis, key, group)
  if (!fields) return { exists: false, lag: await redis.xlen(key), pending: 0 }
  const lag = fieldOf(fields, 'lag')
  const pending = Number(fieldOf(fields, 'pending'))
  if (lag === null) return { exists: true, lag: undefined, pending }
  // After loading from an append-only file, a group no longer knows how many entries it has read. Its lag is overstated until reclaim.lua
  // corrects it. A group at the stream's last entry has no lag.
  const atEnd = Number(lag) > 0 && (await lastIdOf(redis, key)) === fieldOf(fields, 'last-delivered-id')
  return { exists: true, lag: atEnd ? 0 : Number(lag), pending }
}

/** Returns 0 for the error of a missing group, which has no entries; throws any other error. */
export function noneWithoutGroup(error: Error): number {
  if (!error.message.includes('NOGROUP')) throw error
  return 0
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

/** Returns whether an entry id is not after another. */
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
