import type { Redis } from 'ioredis'
import type { MailError } from '../error.ts'
import type { StageName } from '../stage.ts'
import { readGroup } from './groups.ts'
import type { Keys } from './keys.ts'
import { createQueue, type Queue } from './queue.ts'
import { deadLetterScript, takeDeadScript, trimScript } from './scripts.ts'

/** A notification as some program wrote it to the intake: its fields, whatever they are. */
export interface IntakeEntry {
  entryId: string
  fields: Readonly<Record<string, string>>
}

/** What waits in the intake: not read yet, read and not done, and given up. */
export interface IntakeState {
  waiting: number | undefined
  inWork: number
  dead: number
}

/** The consumer group of the intake. */
export const GATEWAY = 'gateway'

/** The reading side of the intake: what a stage's queue is to its streams, for one stream that is in no partition. */
export function createIntakeQueue(options: { redis: Redis; keys: Keys; consumer: string; now: () => number }): Queue {
  const { redis, keys, consumer, now } = options
  const [first = 'p00'] = keys.partitions
  // Everything a queue touches must be in the intake's own slot.
  const own: Keys = {
    ...keys,
    stream: () => keys.intake,
    delay: () => keys.intakeDelay,
    marks: () => keys.intakeMarks,
  }
  // A queue uses its stage's name for nothing but its group.
  const stage = GATEWAY as StageName
  return createQueue({ redis, keys: own, stage, streams: ['intake'], consumer, partitions: [first], now })
}

/** An entry by its id, or `undefined` when it was trimmed away. */
export async function readIntakeEntry(redis: Redis, keys: Keys, entryId: string): Promise<IntakeEntry | undefined> {
  const [entry] = await redis.xrange(keys.intake, entryId, entryId)
  if (!entry) return undefined
  const flat = entry[1]
  const pairs = flat.flatMap((name, at): [string, string][] => (at % 2 === 0 ? [[name, flat[at + 1] ?? '']] : []))
  return { entryId, fields: Object.fromEntries(pairs) }
}

/** Acknowledges entries that were dealt with. */
export async function finishIntake(redis: Redis, keys: Keys, entryIds: readonly string[]): Promise<void> {
  await redis.xack(keys.intake, GATEWAY, ...entryIds)
}

/** How many dead letters of the gateway are kept, the newest; whoever can write a notification can fill them. */
export const MOST_DEAD = 1000

// Longer ones are cut: together they stay below 16 MB.
const MOST_LETTER_CHARS = 16_000
const MOST_FIELDS = 100

/**
 * Gives a notification up: to the dead letters, and acknowledged in the same script where it has an entry; false when another has. The
 * letter holds its fields, cut where they are longer than any notification.
 */
export async function deadLetterNotification(
  redis: Redis,
  keys: Keys,
  given: { entryId?: string; fields: Readonly<Record<string, string>>; error: MailError },
): Promise<boolean> {
  const { entryId = '', fields, error } = given
  const words = [GATEWAY, entryId, JSON.stringify(cut(fields)), error.kind, error.message, MOST_DEAD]
  return (await deadLetterScript(redis, [keys.intake, keys.intakeDead], words)) === 1
}

function cut(fields: Readonly<Record<string, string>>): string[] {
  const words = Object.entries(fields).flat()
  const isShort =
    words.length <= 2 * MOST_FIELDS && words.reduce((sum, { length }) => sum + length, 0) <= MOST_LETTER_CHARS
  if (isShort) return words
  const few = words.slice(0, 2 * MOST_FIELDS)
  return few.map(word => word.slice(0, Math.floor(MOST_LETTER_CHARS / few.length)))
}

/** Takes a dead letter out, and puts it back into the intake if asked to; false when it was gone already. */
export async function takeDeadNotification(
  redis: Redis,
  keys: Keys,
  id: string,
  options: { again: boolean },
): Promise<boolean> {
  return (await takeDeadScript(redis, [keys.intakeDead, keys.intake], [id, options.again ? '1' : '0'])) === 1
}

/** What is in the intake. */
export async function readIntake(redis: Redis, keys: Keys): Promise<IntakeState> {
  const [{ lag, pending }, dead] = await Promise.all([
    readGroup(redis, keys.intake, GATEWAY),
    redis.xlen(keys.intakeDead),
  ])
  return { waiting: lag, inWork: pending, dead }
}

/** Trims the intake: entries that were dealt with and are older than the retention (ms) by the server's clock. */
export async function trimIntake(redis: Redis, keys: Keys, retentionMs: number): Promise<number> {
  const [removed] = (await trimScript(redis, [keys.intake], [retentionMs, JSON.stringify([GATEWAY])])) as [number]
  return removed
}
