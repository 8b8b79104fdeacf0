import type { Envelope } from '../envelope.ts'
import { MailError } from '../error.ts'
import { encodeEntry, openEntry, type Spoiled } from '../slice.ts'
import { STREAMS, type Stream } from '../streams.ts'
import type { RawEntry } from './queue.ts'

/** An opened entry: its envelopes, and its unreadable parts. */
export interface Entry<In = unknown> extends RawEntry {
  items: readonly Envelope<In>[]
  spoiled: readonly Spoiled<In>[]
  /** Work on it has begun in this process and is recorded in Redis. */
  hasBegun?: boolean
}

/** Envelopes of one entry that are put back together; never empty. */
export type Part<In = unknown> = readonly [Envelope<In>, ...Envelope<In>[]]

/** Opens an entry of one of these streams. Never throws; an entry of another partition's mailbox is spoiled as a whole. */
export function openRaw<In>(
  raw: RawEntry,
  reads: readonly Stream<In>[],
  isHere: (item: Envelope) => boolean,
): Entry<In> {
  const stream = reads.find(({ name }) => name === raw.stream)
  const text = raw.text ?? ''
  if (!stream) return Object.assign(raw, { items: [], spoiled: [{ text, error: noStream(raw.stream) }] })
  const opened = openEntry(stream, text)
  const all = itemsOf(opened)
  const astray = all.find(item => !isHere(item))
  if (!astray) return Object.assign(raw, opened)
  const error = new MailError('unparsable', `${astray.mailbox} has its streams in another partition than ${raw.key}`)
  return Object.assign(raw, { items: [], spoiled: [{ text, error }] })
}

/** Encodes a part of an entry in its stream's format. */
export function encodePart({ stream }: Pick<RawEntry, 'stream'>, part: Part): string {
  const known = streamOf(stream)
  if (!known) throw noStream(stream)
  return encodeEntry(known, part)
}

/** Returns whether an entry's ids travel together. */
export function isSlice({ stream }: Pick<RawEntry, 'stream'>): boolean {
  return streamOf(stream)?.sliced === true
}

/** Returns every envelope that could be recovered from an entry, including spoiled ones. */
export function itemsOf<In>({ items, spoiled }: Pick<Entry<In>, 'items' | 'spoiled'>): Envelope<In>[] {
  return [...items, ...spoiled.flatMap(({ item }) => item ?? [])]
}

function streamOf(name: string): Stream | undefined {
  return STREAMS.find(stream => stream.name === name)
}

function noStream(name: string): MailError {
  return new MailError('unsupported', `${name} is not a stream of this stage`)
}
