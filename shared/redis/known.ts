import { createHash } from 'node:crypto'
import type { Redis } from 'ioredis'
import type { Listed, MailboxId } from '../mailbox.ts'
import type { MessageId, ThreadId } from '../message.ts'
import type { Keys } from './keys.ts'
import { scanKeys } from './scan.ts'
import { THREAD } from './schema.ts'

/** Yields every message in the mailbox's threads, from the thread index, in bounded steps; messages added meanwhile may be missed. */
export async function* knownMessages(redis: Redis, keys: Keys, mailbox: MailboxId): AsyncGenerator<Listed> {
  const head = keys.thread(mailbox, '')
  for await (const found of scanKeys(redis, `${literally(head)}*`)) {
    const fields = await Promise.all(found.map(key => redis.hkeys(key)))
    for (const [place, key] of found.entries()) {
      const thread = key.slice(head.length)
      for (const id of messageIdsIn(fields[place] ?? [])) yield { id, thread }
    }
  }
}

/**
 * Returns the threads of those of these messages that are known. Only a few bytes of each id are stored, so that in one of many billion
 * cases the returned thread does not hold the message.
 */
export async function threadsOf(
  redis: Redis,
  keys: Keys,
  mailbox: MailboxId,
  ids: readonly MessageId[],
): Promise<ReadonlyMap<MessageId, ThreadId>> {
  if (ids.length === 0) return new Map()
  const threads = await redis.hmget(keys.threadsOf(mailbox), ...ids.map(digestOf))
  return new Map(
    ids.flatMap((id, place): [MessageId, ThreadId][] => {
      const thread = threads[place]
      return thread ? [[id, thread]] : []
    }),
  )
}

/** Returns a message's name in the thread index. */
export function digestOf(id: MessageId): string {
  return createHash('sha1').update(id).digest('hex').slice(0, 16)
}

/** Returns the message ids among the fields of a thread's hash. */
export function messageIdsIn(fields: readonly string[]): MessageId[] {
  return fields.flatMap(field => (field.startsWith(THREAD.id) ? [field.slice(THREAD.id.length)] : []))
}

/** Returns the message ids in a thread's hash, newest first; those without a known date come last, in stored order. */
export function newestIdsIn(hash: Readonly<Record<string, string>>): MessageId[] {
  const fields = new Map(Object.entries(hash))
  const dates = new Map(messageIdsIn([...fields.keys()]).map(id => [id, dateIn(fields.get(`${THREAD.id}${id}`))]))
  const dateOf = (id: MessageId) => dates.get(id) ?? 0
  return [...dates.keys()].sort((a, b) => dateOf(b) - dateOf(a) || (dateOf(a) === 0 ? 0 : a < b ? 1 : -1))
}

/** Returns whether the owner wrote in a thread, by its hash; what was deleted since counts. */
export function ownerWroteIn(hash: Readonly<Record<string, string>>): boolean {
  const isMark = (field: string, value: string) => field.startsWith(THREAD.id) && value.endsWith(THREAD.own)
  return Object.entries(hash).some(([field, value]) => field === THREAD.ownerWrote || isMark(field, value))
}

// 1 stands for an unknown date.
function dateIn(value = ''): number {
  const date = Number(value.endsWith(THREAD.own) ? value.slice(0, -THREAD.own.length) : value)
  return date > 1 ? date : 0
}

/** Returns the ids of deferred messages among the fields of a thread's hash. */
export function omittedIdsIn(fields: readonly string[]): MessageId[] {
  return fields.flatMap(field => (field.startsWith(THREAD.omitted) ? [field.slice(THREAD.omitted.length)] : []))
}

// An address may contain characters that a pattern treats as wildcards.
function literally(text: string): string {
  return text.replace(/[\\*?[\]]/g, '\\$&')
}

const FIELDS_PER_STEP = 1000
// Enough to show the size of the matter, and read within seconds.
const MOST_STEPS = 200

/** Counts the known threads of a mailbox; `isWhole` is false where it has more mail than is read. */
export async function countKnownThreads(
  redis: Redis,
  keys: Keys,
  mailbox: MailboxId,
): Promise<{ threads: number; isWhole: boolean }> {
  const threads = new Set<string>()
  let cursor = '0'
  for (let steps = 0; steps < MOST_STEPS; steps++) {
    const [next, fields] = await redis.hscan(keys.threadsOf(mailbox), cursor, 'COUNT', FIELDS_PER_STEP)
    for (let at = 1; at < fields.length; at += 2) threads.add(fields[at] ?? '')
    cursor = next
    if (cursor === '0') return { threads: threads.size, isWhole: true }
  }
  return { threads: threads.size, isWhole: false }
}
