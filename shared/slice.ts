import { z } from 'zod'
import {
  type Envelope,
  encodeEnvelope,
  fitBody,
  isReadable,
  LARGEST_ENTRY_BYTES,
  parseHead,
  salvageEnvelope,
  type Version,
} from './envelope.ts'
import { asMailError, MailError } from './error.ts'
import type { Stream } from './streams.ts'
import { cleanJson } from './text.ts'

/**
 * The content of a stream entry. Most entries hold one envelope. Ids travel in slices: one entry holds up to a batch of ids of one window,
 * with whole threads together. A slice is read, leased and acknowledged as one; every stage and tool sees its ids one by one.
 */
export interface Opened<Body> {
  items: Envelope<Body>[]
  /** The parts of the entry that cannot be read. */
  spoiled: Spoiled<Body>[]
}

/** An unreadable part of an entry, as a text of its own. `item` is present where its place in its window can still be determined. */
export interface Spoiled<Body = unknown> {
  text: string
  error: MailError
  item?: Envelope<Body>
}

/** The body of an id with its place in a window. */
interface Placed {
  window: string
  index: number
  of: number
  thread?: string
  filtered?: string
}

interface SliceBody {
  window: string
  of: number
  ids: object[]
}

const SLICED: Version = 2
const SMALL_SLICE = 20
const LARGEST_SLICE_BYTES = LARGEST_ENTRY_BYTES / 2

/** Opens an entry. Never throws: an unreadable part is returned as spoiled and does not affect the rest of its slice. */
export function openEntry<Body>(stream: Stream<Body>, text: string): Opened<Body> {
  try {
    return { items: readAll(stream, text), spoiled: [] }
  } catch {
    // One part may be the cause, so each is read alone.
  }
  const opened: Opened<Body> = { items: [], spoiled: [] }
  for (const part of partsOf(text)) {
    try {
      opened.items.push(...readAll(stream, part))
    } catch (thrown) {
      opened.spoiled.push({ text: part, error: asMailError(thrown), ...salvage(stream, part) })
    }
  }
  return opened
}

/**
 * Encodes envelopes of one entry as its text. Entries for external workers leave mailsluice here: their texts hold no control characters
 * but line feeds and tabs, and no lone surrogates.
 */
export function encodeEntry(stream: Stream, items: readonly [Envelope, ...Envelope[]]): string {
  const [first] = items
  if (stream.forWorkers) return cleanJson(encodeEnvelope(first), { keepsLines: true })
  if (!stream.sliced) return encodeEnvelope(first)
  const { window, of } = first.body as Placed
  const ids = items.map(({ body }) => {
    const { window: _, of: __, ...rest } = body as Placed
    return rest
  })
  return encodeEnvelope({ ...first, body: { window, of, ids } satisfies SliceBody }, SLICED)
}

/**
 * Groups envelopes for one stream into as few entries as possible: slices of one window with up to `size` ids. A thread is never split.
 * Where whole threads do not fit, a slice holds more ids; that never adds a slice. Without a size each window's ids stay one slice. In
 * streams without slices each envelope is an entry.
 */
export function intoEntries<E extends Envelope>(stream: Stream, items: readonly E[], size?: number): [E, ...E[]][] {
  if (!stream.sliced) return items.map(item => [item])
  const slices = groupsOf(items, ({ run, lane, attempt, id, body }) => {
    // Filtered ids are not fetched and would only dilute the slices that are.
    const { window, filtered } = body as Placed
    return [run, lane, attempt, suffixOf(id), filtered !== undefined, window].join(' ')
  })
  return slices.flatMap(slice => packed(slice, size)).flatMap(slice => readable(stream, slice))
}

// An entry never exceeds the readable size, not even to keep a thread whole.
function readable<E extends Envelope>(stream: Stream, slice: [E, ...E[]]): [E, ...E[]][] {
  const isSmall = slice.length <= SMALL_SLICE || Buffer.byteLength(encodeEntry(stream, slice)) <= LARGEST_SLICE_BYTES
  if (isSmall) return [slice]
  const half = Math.ceil(slice.length / 2)
  return [slice.slice(0, half), slice.slice(half)].flatMap(([first, ...rest]) =>
    first ? readable(stream, [first, ...rest]) : [],
  )
}

// An id of a slice has the id that its own envelope would have.
function readAll<Body>(stream: Stream<Body>, text: string): Envelope<Body>[] {
  const head = parseHead(text)
  const bodies = bodiesOf(stream, head.body)
  if (!bodies) return [{ ...head, body: placed(stream, head.body) }]
  return bodies.map(one => ({ ...head, ...namesOf(head, one as Placed), body: placed(stream, one) }))
}

// A place outside its window would complete the window too early.
function placed<Body>(stream: Stream<Body>, value: unknown): Body {
  const body = fitBody(value, stream.body)
  if (!stream.sliced) return body
  const { index, of } = body as Placed
  if (index >= 0 && index < of) return body
  throw new MailError('unparsable', `place ${index} lies outside its window of ${of}`)
}

const anything = z.unknown()

function salvage<Body>(stream: Stream<Body>, text: string): { item?: Envelope<Body> } {
  const head = salvageEnvelope(text, anything, stream.salvagedBytes)
  if (!head) return {}
  const [one = head.body] = bodiesOf(stream, head.body) ?? []
  const body = (stream.salvaged ?? stream.body).safeParse(one)
  if (!body.success) return {}
  const { index, of } = body.data as Placed
  if (stream.sliced && !(index >= 0 && index < of)) return {}
  const names = one === head.body ? {} : namesOf(head, body.data as Placed)
  return { item: { ...head, ...names, body: body.data } }
}

const replayed = /~replay-\d+$/

function namesOf({ id, run, replayOf }: Envelope, { window, index }: Placed) {
  const own = `${run}/${window}/${index}`
  return { id: `${own}${suffixOf(id)}`, ...(replayOf === undefined ? {} : { replayOf: own }) }
}

function suffixOf(id: string): string {
  return replayed.exec(id)?.[0] ?? ''
}

// An entry of version 1 holds one id, with its place beside it.
function bodiesOf(stream: Stream, body: unknown): unknown[] | undefined {
  const { ids, ...place } = (body ?? {}) as Partial<SliceBody>
  if (!stream.sliced || !Array.isArray(ids) || ids.length === 0) return undefined
  return ids.map(one => ({ ...one, ...place }))
}

function partsOf(text: string): string[] {
  if (!isReadable(text)) return [text]
  try {
    const entry = JSON.parse(text) as { body?: Partial<SliceBody> } | null
    const ids = entry?.body?.ids
    if (!Array.isArray(ids) || ids.length < 2) return [text]
    return ids.map(one => JSON.stringify({ ...entry, body: { ...entry?.body, ids: [one] } }))
  } catch {
    return [text]
  }
}

// Large threads first, so that small ones fill the gaps. A thread that fits nowhere goes to the emptiest slice.
function packed<E extends Envelope>(items: readonly E[], size = items.length): [E, ...E[]][] {
  const threads = groupsOf(items, ({ body }, index) => (body as Placed).thread || `#${index}`)
  const slices = Array.from({ length: Math.ceil(items.length / size) }, (): E[] => [])
  for (const thread of threads.toSorted((a, b) => b.length - a.length)) {
    const fits = slices.find(slice => slice.length + thread.length <= size)
    const emptiest = () => slices.reduce((a, b) => (b.length < a.length ? b : a))
    const slice = fits ?? emptiest()
    slice.push(...thread)
  }
  return slices.flatMap(([first, ...rest]): [E, ...E[]][] => (first ? [[first, ...rest]] : []))
}

function groupsOf<T>(things: readonly T[], name: (thing: T, index: number) => string): T[][] {
  const groups = new Map<string, T[]>()
  for (const [index, thing] of things.entries()) {
    const group = groups.get(name(thing, index))
    if (group) group.push(thing)
    else groups.set(name(thing, index), [thing])
  }
  return [...groups.values()]
}
