import type { Redis } from 'ioredis'
import { type Envelope, LANES, type Lane } from '../../shared/envelope.ts'
import { MailError } from '../../shared/error.ts'
import type { MailboxId } from '../../shared/mailbox.ts'
import type { Keys, Partition } from '../../shared/redis/keys.ts'
import { ENTRY } from '../../shared/redis/schema.ts'
import { openEntry } from '../../shared/slice.ts'
import { STREAMS, type Stream } from '../../shared/streams.ts'

/**
 * An envelope that a stream still contains; `writtenAt` is when Redis stored it, in ms since 1970. The ids of a slice are separate records
 * of one entry.
 */
export interface Recorded<Body = unknown> {
  key: string
  entryId: string
  stream: string
  lane: Lane
  writtenAt: number
  envelope: Envelope<Body>
}

/** The Redis to read records from. */
export interface Records {
  redis: Redis
  keys: Keys
}

/** The part of a stream to read, and a signal to stop. */
export interface Scope {
  mailbox?: MailboxId | undefined
  newestFirst?: boolean
  signal?: AbortSignal | undefined
}

const AT_ONCE = 500

/** Returns the stream of this name; throws `misconfigured` with the valid names. */
export function streamNamed(name: string): Stream {
  const stream = STREAMS.find(one => one.name === name)
  if (stream) return stream
  const names = STREAMS.map(one => one.name).join(', ')
  throw new MailError('misconfigured', `"${name}" is not a stream; the streams are ${names}`)
}

/** Returns the keys of a stream, one a lane and partition; with `mailbox`, those of its partition alone. */
export function keysOf(keys: Keys, stream: Stream, mailbox?: MailboxId): { key: string; lane: Lane }[] {
  const partitions: readonly Partition[] = mailbox ? [keys.partitionOf(mailbox)] : keys.partitions
  return partitions.flatMap(partition => LANES.map(lane => ({ key: keys.stream(partition, stream.name, lane), lane })))
}

/** Yields every envelope a stream still contains, 500 entries a read; skips entries that are not envelopes. */
export async function* recordedIn<Body>(
  { redis, keys }: Records,
  stream: Stream<Body>,
  { mailbox, newestFirst = false, signal }: Scope = {},
): AsyncGenerator<Recorded<Body>> {
  for (const { key, lane } of keysOf(keys, stream as Stream, mailbox)) {
    for await (const [entryId, fields] of entriesAt(redis, key, newestFirst, signal)) {
      for (const found of readEntry(stream, { key, lane, entryId, fields })) {
        if (mailbox === undefined || found.envelope.mailbox === mailbox) yield found
      }
    }
  }
}

/** Yields the raw entries at a key, 500 a read; throws when the signal is aborted. */
export async function* entriesAt(
  redis: Redis,
  key: string,
  newestFirst: boolean,
  signal?: AbortSignal,
): AsyncGenerator<[entryId: string, fields: string[]]> {
  for (let last = newestFirst ? '+' : '-'; ; ) {
    throwIfStopped(signal)
    const entries = newestFirst
      ? await redis.xrevrange(key, last, '-', 'COUNT', AT_ONCE)
      : await redis.xrange(key, last, '+', 'COUNT', AT_ONCE)
    yield* entries
    const end = entries.at(-1)?.[0]
    if (end === undefined || entries.length < AT_ONCE) return
    last = `(${end}`
  }
}

/** Returns the readable envelopes of one raw entry of a stream. */
export function readEntry<Body>(
  stream: Stream<Body>,
  entry: { key: string; lane: Lane; entryId: string; fields: readonly string[] },
): Recorded<Body>[] {
  const { fields, ...place } = entry
  const text = fields[fields.indexOf(ENTRY.envelope) + 1] ?? ''
  const { items } = openEntry(stream, text)
  return items.map(envelope => ({ ...place, stream: stream.name, writtenAt: timeOf(entry.entryId), envelope }))
}

function timeOf(entryId: string): number {
  return Number(entryId.split('-')[0])
}

/** Throws `unavailable` when the signal is aborted. */
export function throwIfStopped(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new MailError('unavailable', 'stopped before the read was complete; run the command again')
}

/** Groups items by name in their given order. */
export function grouped<T>(things: readonly T[], name: (thing: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const thing of things) {
    const group = groups.get(name(thing))
    if (group) group.push(thing)
    else groups.set(name(thing), [thing])
  }
  return groups
}

/** Compares entries by the order in which they were written. */
export function byEntry(a: { entryId: string }, b: { entryId: string }): number {
  const [, one = '0'] = a.entryId.split('-')
  const [, other = '0'] = b.entryId.split('-')
  return timeOf(a.entryId) - timeOf(b.entryId) || Number(one) - Number(other)
}

/** Returns whether a body mentions this message. */
export function mentions(body: unknown, message: string): boolean {
  const { id, items, ids, messages } = body as {
    id?: string
    items?: { id: string }[]
    ids?: string[]
    messages?: { id: string }[]
  }
  const named = [...(items ?? []), ...(messages ?? [])].some(one => one.id === message)
  return id === message || named || ids?.includes(message) === true
}
