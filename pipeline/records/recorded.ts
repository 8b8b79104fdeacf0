import type { Redis } from 'ioredis'
import { type Envelope, LANES, type Lane } from '../../shared/envelope.ts'
import { MailError } from '../../shared/error.ts'
import type { MailboxId } from '../../shared/mailbox.ts'
import type { Keys, Partition } from '../../shared/redis/keys.ts'
import { openEntry } from '../../shared/slice.ts'
import type { Stage } from '../../shared/stage.ts'
import { STREAMS, type Stream } from '../../shared/streams.ts'

/**
 * An envelope that a stream still holds; `writtenAt` is when Redis took it in, in ms since 1970. The ids of a slice are told one by one, and
 * share their entry.
 */
export interface Recorded<Body = unknown> {
  key: string
  entryId: string
  stream: string
  lane: Lane
  writtenAt: number
  envelope: Envelope<Body>
}

/** Which recorded entries are meant; times are those of the envelopes, in ms since 1970, and all that is given must hold. */
export interface Selection {
  run?: string | undefined
  mailbox?: MailboxId | undefined
  since?: number | undefined
  until?: number | undefined
  /** A message's id at its provider, wherever a body names it. */
  message?: string | undefined
}

/** Where records are read. */
export interface Records {
  redis: Redis
  keys: Keys
}

/** Which part of a stream is read, and when to give up. */
export interface Scope {
  mailbox?: MailboxId | undefined
  newestFirst?: boolean
  signal?: AbortSignal | undefined
}

const AT_ONCE = 500

/** The stream of this name; throws `misconfigured` with the names there are. */
export function streamNamed(name: string): Stream {
  const stream = STREAMS.find(one => one.name === name)
  if (stream) return stream
  const names = STREAMS.map(one => one.name).join(', ')
  throw new MailError('misconfigured', `"${name}" is not a stream: the streams are ${names}`)
}

/** The keys of a stream: one a lane and partition, or those of one mailbox alone. */
export function keysOf(keys: Keys, stream: Stream, mailbox?: MailboxId): { key: string; lane: Lane }[] {
  const partitions: readonly Partition[] = mailbox ? [keys.partitionOf(mailbox)] : keys.partitions
  return partitions.flatMap(partition => LANES.map(lane => ({ key: keys.stream(partition, stream.name, lane), lane })))
}

/** Everything a stream still holds, a few hundred entries at a time; what is no envelope of ours is passed over. */
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

/** The raw entries at a key, a few hundred at a time; throws when the signal is aborted. */
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

/** The envelopes of one raw entry of a stream, as far as they can be read. */
export function readEntry<Body>(
  stream: Stream<Body>,
  entry: { key: string; lane: Lane; entryId: string; fields: readonly string[] },
): Recorded<Body>[] {
  const { fields, ...place } = entry
  const text = fields[fields.indexOf('envelope') + 1] ?? ''
  const { items } = openEntry(stream, text)
  return items.map(envelope => ({ ...place, stream: stream.name, writtenAt: timeOf(entry.entryId), envelope }))
}

function timeOf(entryId: string): number {
  return Number(entryId.split('-')[0])
}

/** Throws when somebody asked to stop. */
export function throwIfStopped(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new MailError('unavailable', 'stopped before it was done')
}

/** Puts things into groups by a name, in the order they come. */
export function grouped<T>(things: readonly T[], name: (thing: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const thing of things) {
    const group = groups.get(name(thing))
    if (group) group.push(thing)
    else groups.set(name(thing), [thing])
  }
  return groups
}

/** Orders entries as they were written. */
export function byEntry(a: { entryId: string }, b: { entryId: string }): number {
  const [, one = '0'] = a.entryId.split('-')
  const [, other = '0'] = b.entryId.split('-')
  return timeOf(a.entryId) - timeOf(b.entryId) || Number(one) - Number(other)
}

/** What a stage was given and its streams still hold, in the order it was written; an input that was tried again counts once. */
export async function selectInputs(
  records: Records,
  stage: Stage,
  selection: Selection,
  signal?: AbortSignal,
): Promise<Recorded[]> {
  const found = new Map<string, Recorded>()
  for (const stream of stage.reads) {
    for await (const entry of recordedIn(records, stream, { mailbox: selection.mailbox, signal })) {
      if (isSelected(entry.envelope, selection)) found.set(`${stream.name} ${entry.envelope.id}`, entry)
    }
  }
  return [...found.values()].sort(byEntry)
}

/** Whether a body speaks of this message. */
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

function isSelected({ run, at, body }: Envelope, { run: wanted, since, until, message }: Selection): boolean {
  if (wanted !== undefined && run !== wanted) return false
  if ((since !== undefined && at < since) || (until !== undefined && at > until)) return false
  return message === undefined || mentions(body, message)
}
