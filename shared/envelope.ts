import { z } from 'zod'
import { MailError } from './error.ts'
import type { MailboxId } from './mailbox.ts'

/**
 * The lanes. In every stage `live` work (incremental syncs) starts before `bulk` work (first syncs, resyncs); bulk gets at least every
 * fourth batch.
 */
export const LANES = ['live', 'bulk'] as const
export type Lane = (typeof LANES)[number]

/** A run's id; ids sort by the time the run was requested. */
export type RunId = string

/**
 * The unit that travels in a stream. `id` is unique within its stream and stays the same when a step is repeated, so that duplicates can be
 * recognised. `at` is when it was written, in ms since 1970. `attempt` counts the failures so far.
 */
export interface Envelope<Body = unknown> {
  id: string
  run: RunId
  mailbox: MailboxId
  at: number
  attempt: number
  /** The time of the first failure (ms since 1970), and whether other items of the batch succeeded during one of the failures. */
  failing?: { since: number; others: boolean }
  lane: Lane
  replayOf?: string
  /** Processes died while handling its entry, so it is tried alone. */
  suspect?: true
  body: Body
}

/** The formats of an entry: version 1 holds one body, version 2 a slice of bodies (`slice.ts`). */
export type Version = 1 | 2
const NEWEST: Version = 2
// A typical entry has a few hundred bytes, a slice of ids a few thousand. The largest, a window of 500 ids, has tens of thousands.
export const LARGEST_ENTRY_BYTES = 1 << 20

/** The fields of an envelope as it is written; `body` is its stream's. */
export const envelopeSchema = z.object({
  v: z.number().int().min(1).max(NEWEST),
  id: z.string(),
  run: z.string(),
  mailbox: z.custom<MailboxId>(value => typeof value === 'string' && value.includes(':')),
  at: z.number(),
  attempt: z.number().int().min(0),
  failing: z.object({ since: z.number(), others: z.boolean() }).optional(),
  lane: z.enum(LANES),
  replayOf: z.string().optional(),
  suspect: z.literal(true).optional(),
  body: z.unknown(),
})

/** Encodes an envelope as the text that is written to Redis, with the format version first. */
export function encodeEnvelope(envelope: Envelope, version: Version = 1): string {
  return JSON.stringify({ v: version, ...envelope })
}

/**
 * Reads an envelope and its body. Throws `unparsable`, naming the wrong field and never its content. An entry above one mebibyte or of a
 * later version is refused unread; it stays among the dead letters until this process is upgraded.
 */
export function parseEnvelope<Body>(text: string, body: z.ZodType<Body>): Envelope<Body> {
  const head = parseHead(text)
  return { ...head, body: fitBody(head.body, body) }
}

/** Reads an envelope without checking its body; throws as `parseEnvelope` does. `mostBytes` raises the size limit. */
export function parseHead(text: string, mostBytes = LARGEST_ENTRY_BYTES): Envelope {
  checkSize(text, mostBytes)
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    throw new MailError('unparsable', 'the entry is not JSON: mailsluice did not write it')
  }
  const { v } = (json ?? {}) as { v?: unknown }
  if (typeof v === 'number' && v > NEWEST) {
    const newer = `an envelope of version ${v}; this process reads up to version ${NEWEST}`
    throw new MailError('unparsable', `${newer}: upgrade it, then redrive the entry`)
  }
  const head = envelopeSchema.safeParse(json)
  if (!head.success)
    throw new MailError('unparsable', `not an envelope of version 1 to ${NEWEST}: ${fieldsOf(head.error)}`)
  const { v: _, replayOf, suspect, failing, ...rest } = head.data
  return {
    ...rest,
    ...(failing === undefined ? {} : { failing }),
    ...(replayOf === undefined ? {} : { replayOf }),
    ...(suspect ? { suspect } : {}),
  }
}

/** Parses a body by its stream's schema; throws `unparsable`, naming the wrong field and never its content. */
export function fitBody<Body>(body: unknown, schema: z.ZodType<Body>): Body {
  const { success, data, error } = schema.safeParse(body)
  if (success) return data
  throw new MailError('unparsable', `the envelope's body does not fit its stream: ${fieldsOf(error)}`)
}

/**
 * Recovers as much of an entry as settling it needs where `parseEnvelope` refuses it, for example because of its version. Returns
 * `undefined` where that is impossible or the entry has more than `mostBytes`.
 */
export function salvageEnvelope<Body>(
  text: string,
  body: z.ZodType<Body>,
  mostBytes = LARGEST_ENTRY_BYTES,
): Envelope<Body> | undefined {
  try {
    checkSize(text, mostBytes)
    const json = JSON.parse(text)
    // Spreading a string or an array would create one field per character or element.
    if (typeof json !== 'object' || Array.isArray(json)) return undefined
    const { v: _, ...head } = json
    const whole = parseHead(JSON.stringify({ ...head, v: NEWEST }), Number.POSITIVE_INFINITY)
    return { ...whole, body: fitBody(whole.body, body) }
  } catch {
    return undefined
  }
}

/** Returns whether an entry's text is small enough to parse. */
export function isReadable(text: string): boolean {
  return Buffer.byteLength(text) <= LARGEST_ENTRY_BYTES
}

function checkSize(text: string, mostBytes: number): void {
  const bytes = Buffer.byteLength(text)
  if (bytes === 0) throw new MailError('unparsable', 'the entry has no envelope: mailsluice did not write it')
  if (bytes > mostBytes) throw new MailError('unparsable', `the entry has ${bytes} bytes; the limit is ${mostBytes}`)
}

function fieldsOf(error: z.ZodError): string {
  return error.issues.map(issue => `${issue.path.join('.') || 'entry'} (${issue.code})`).join(', ')
}
