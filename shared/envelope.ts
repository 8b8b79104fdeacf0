import { z } from 'zod'
import { MailError } from './error.ts'
import type { MailboxId } from './mailbox.ts'

/** In every stage `live` work (incremental syncs) begins before `bulk` work (first syncs, resyncs), which has at least every fourth batch. */
export const LANES = ['live', 'bulk'] as const
export type Lane = (typeof LANES)[number]

/** A run's id; sorts by the time the run was asked for. */
export type RunId = string

/**
 * What travels in a stream. `id` is unique within its stream and the same again when the same step is done again, so that
 * copies can be recognised; `at` is when it was written, in ms since 1970; `trace` is the id of the watch event it all began with;
 * `attempt` counts the failures it has behind it.
 */
export interface Envelope<Body = unknown> {
  id: string
  run: RunId
  mailbox: MailboxId
  at: number
  attempt: number
  /** When the first of those failures was, in ms since 1970, and whether others of its batch were answered at one of them. */
  failing?: { since: number; others: boolean }
  lane: Lane
  trace: string
  replayOf?: string
  /** Processes died over the entry it came in: whoever takes it tries it alone. */
  suspect?: true
  body: Body
}

/** The formats an entry may have: version 1 holds one body, version 2 a slice of them (`slice.ts`). */
export type Version = 1 | 2
const NEWEST: Version = 2
// Ours have a few hundred bytes, a slice of ids a few thousand, and the largest, a window of 500 ids, some ten thousands.
export const LARGEST_ENTRY_BYTES = 1 << 20

const envelopeSchema = z.object({
  v: z.number().int().min(1).max(NEWEST),
  id: z.string(),
  run: z.string(),
  mailbox: z.custom<MailboxId>(value => typeof value === 'string' && value.includes(':')),
  at: z.number(),
  attempt: z.number().int().min(0),
  failing: z.object({ since: z.number(), others: z.boolean() }).optional(),
  lane: z.enum(LANES),
  trace: z.string(),
  replayOf: z.string().optional(),
  suspect: z.literal(true).optional(),
  body: z.unknown(),
})

/** An envelope as the one text that is written to Redis, with the format's version in front. */
export function encodeEnvelope(envelope: Envelope, version: Version = 1): string {
  return JSON.stringify({ v: version, ...envelope })
}

/**
 * Reads an envelope and its body; throws `unparsable`, naming the field that is wrong and never its content. What has more than a
 * mebibyte is refused unread, and so is what a later version wrote: it keeps among the dead letters until this process is upgraded.
 */
export function parseEnvelope<Body>(text: string, body: z.ZodType<Body>): Envelope<Body> {
  const head = parseHead(text)
  return { ...head, body: fitBody(head.body, body) }
}

/** Reads an envelope whose body is not looked into yet; throws as `parseEnvelope` does, and takes more bytes only where it is told so. */
export function parseHead(text: string, mostBytes = LARGEST_ENTRY_BYTES): Envelope {
  checkSize(text, mostBytes)
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    throw new MailError('unparsable', 'the entry is not JSON: it was not written by mailsluice')
  }
  const { v } = (json ?? {}) as { v?: unknown }
  if (typeof v === 'number' && v > NEWEST) {
    const newer = `an envelope of version ${v}, and this process reads version ${NEWEST}`
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

/** A body as its stream has it; throws `unparsable`, naming the field that is wrong and never its content. */
export function fitBody<Body>(body: unknown, schema: z.ZodType<Body>): Body {
  const { success, data, error } = schema.safeParse(body)
  if (success) return data
  throw new MailError('unparsable', `the envelope's body does not fit its stream: ${fieldsOf(error)}`)
}

/**
 * What can be told of an entry that `parseEnvelope` refuses, such as one of another version: enough to say what becomes of it, or `undefined`.
 * What has more than `mostBytes` is not looked into.
 */
export function salvageEnvelope<Body>(
  text: string,
  body: z.ZodType<Body>,
  mostBytes = LARGEST_ENTRY_BYTES,
): Envelope<Body> | undefined {
  try {
    checkSize(text, mostBytes)
    const json = JSON.parse(text)
    // A text or a list would be taken apart into as many fields as it has letters or members.
    if (typeof json !== 'object' || Array.isArray(json)) return undefined
    const { v: _, ...head } = json
    const whole = parseHead(JSON.stringify({ ...head, v: NEWEST }), Number.POSITIVE_INFINITY)
    return { ...whole, body: fitBody(whole.body, body) }
  } catch {
    return undefined
  }
}

/** Whether an entry's text is small enough to be looked into at all. */
export function isReadable(text: string): boolean {
  return Buffer.byteLength(text) <= LARGEST_ENTRY_BYTES
}

function checkSize(text: string, mostBytes: number): void {
  const bytes = Buffer.byteLength(text)
  if (bytes === 0) throw new MailError('unparsable', 'the entry has no envelope: it was not written by mailsluice')
  if (bytes > mostBytes)
    throw new MailError('unparsable', `the entry has ${bytes} bytes, and at most ${mostBytes} are read`)
}

function fieldsOf(error: z.ZodError): string {
  return error.issues.map(issue => `${issue.path.join('.') || 'entry'} (${issue.code})`).join(', ')
}
