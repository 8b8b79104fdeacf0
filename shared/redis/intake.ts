import type { Redis } from 'ioredis'
import type { MailError } from '../error.ts'
import type { StageName } from '../stage.ts'
import { readGroup } from './groups.ts'
import type { Keys } from './keys.ts'
import { createQueue, type Queue } from './queue.ts'
import { deadLetterScript, takeDeadScript, trimScript } from './scripts.ts'

/** A notification as a program wrote it to the intake, with arbitrary fields. */
export interface IntakeEntry {
  entryId: string
  fields: Readonly<Record<string, string>>
}

/** The counts of the intake: unread, in flight, and dead-lettered. */
export interface IntakeState {
  waiting: number | undefined
  inWork: number
  dead: number
}

/** The consumer group of the intake. */
export const GATEWAY = 'gateway'

/** Creates the queue of the intake: like a stage's queue, for one stream that is in no partition. */
export function createIntakeQueue(options: { redis: Redis; keys: Keys; consumer: string; now: () => number }): Queue {
  const { redis, keys, consumer, now } = options
  const [first = 'p00'] = keys.partitions
  // Every key that a queue touches must be in the intake's own slot.
  const own: Keys = {
    ...keys,
    stream: () => keys.intake,
    delay: () => keys.intakeDelay,
    marks: () => keys.intakeMarks,
  }
  // A queue uses its stage's name only as its group.
  const stage = GATEWAY as StageName
  return createQueue({ redis, keys: own, stage, streams: ['intake'], consumer, partitions: [first], now })
}

/** Returns an entry by id, or `undefined` when it was trimmed. */
export async function readIntakeEntry(redis: Redis, keys: Keys, entryId: string): Promise<IntakeEntry | undefined> {
  const [entry] = await redis.xrange(keys.intake, entryId, entryId)
  if (!entry) return undefined
  const flat = entry[1]
  const pairs = flat.flatMap((name, at): [string, string][] => (at % 2 === 0 ? [[name, flat[at + 1] ?? '']] : []))
  return { entryId, fields: Object.fromEntries(pairs) }
}

/** Acknowledges finished entries. */
export async function finishIntake(redis: Redis, keys: Keys, entryIds: readonly string[]): Promise<void> {
  await redis.xack(keys.intake, GATEWAY, ...entryIds)
}

// Longer letters are cut, so that all together stay below 16 MB.
const MAX_LETTER_CHARS = 16_000
const MAX_FIELDS = 100

/**
 * Dead-letters a notification, and acknowledges its entry, if any, in the same script; returns false when another process has handled it.
 * The letter holds its fields, cut where they are longer than any notification.
 */
export async function deadLetterNotification(
  redis: Redis,
  keys: Keys,
  given: { entryId?: string; fields: Readonly<Record<string, string>>; error: MailError },
): Promise<boolean> {
  const { entryId = '', fields, error } = given
  const words = [GATEWAY, entryId, JSON.stringify(cut(fields)), error.kind, error.message]
  return (await deadLetterScript(redis, [keys.intake, keys.intakeDead], words)) === 1
}

function cut(fields: Readonly<Record<string, string>>): string[] {
  const words = Object.entries(fields).flat()
  const isShort =
    words.length <= 2 * MAX_FIELDS && words.reduce((sum, { length }) => sum + length, 0) <= MAX_LETTER_CHARS
  if (isShort) return words
  const few = words.slice(0, 2 * MAX_FIELDS)
  return few.map(word => word.slice(0, Math.floor(MAX_LETTER_CHARS / few.length)))
}

/** Removes a dead letter, and puts it back into the intake if asked to; returns false when it was already gone. */
export async function takeDeadNotification(
  redis: Redis,
  keys: Keys,
  id: string,
  options: { again: boolean },
): Promise<boolean> {
  return (await takeDeadScript(redis, [keys.intakeDead, keys.intake], [id, options.again ? '1' : '0'])) === 1
}

/** Returns the counts of the intake. */
export async function readIntake(redis: Redis, keys: Keys): Promise<IntakeState> {
  const [{ lag, pending }, dead] = await Promise.all([
    readGroup(redis, keys.intake, GATEWAY),
    redis.xlen(keys.intakeDead),
  ])
  return { waiting: lag, inWork: pending, dead }
}

/** Trims finished intake entries that are older than the retention (ms) by the server's clock. */
export async function trimIntake(redis: Redis, keys: Keys, retentionMs: number): Promise<number> {
  const [removed] = (await trimScript(redis, [keys.intake], [retentionMs, JSON.stringify({ groups: [GATEWAY] })])) as [
    number,
  ]
  return removed
}
