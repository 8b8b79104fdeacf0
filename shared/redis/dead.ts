import type { Redis } from 'ioredis'
import type { Envelope, Lane } from '../envelope.ts'
import { MailError } from '../error.ts'
import { encodeEntry, openEntry } from '../slice.ts'
import { GROUP_NAMES, SENDER, STAGE_NAMES, type StageName } from '../stage.ts'
import { type ListedId, messageIds, missingIds, STREAMS, watchEvents } from '../streams.ts'
import { GATEWAY, takeDeadNotification } from './intake.ts'
import type { Keys, Partition } from './keys.ts'
import { ENTRY, LETTER, RUN, WINDOW } from './schema.ts'
import { redriveScript } from './scripts.ts'

/** The sources of dead letters: the stages and the gateway. */
export const DEAD_LETTER_SOURCES = [...STAGE_NAMES, SENDER, GATEWAY] as const
export type DeadLetterSource = (typeof DEAD_LETTER_SOURCES)[number]

/** A dead-lettered input, with everything needed to understand and redrive it. */
export interface DeadLetter {
  /** The name among all dead letters, such as `batch-fetch/p03/1790000000000-0`. */
  name: string
  stage: DeadLetterSource
  /** The stream that it was read from. */
  stream: string
  kind: string
  message: string
  /** When it was written to its stream, and when it was dead-lettered; ms since 1970. */
  firstAt: number | undefined
  lastAt: number
  attempts: number | undefined
  mailbox: string | undefined
  run: string | undefined
  /** Whether the input could not be read, so that its window is not settled and still waits for it. */
  unread: boolean
  /** The input as an entry of its own; unreadable text is kept as it was. */
  text: string
}

const PAGE = 500
const INTAKE = { stage: GATEWAY, partition: 'intake' } as const

/** Returns dead letters, of one stage or all, oldest first; at most `limit`. */
export async function listDead(
  redis: Redis,
  keys: Keys,
  options: { stage?: DeadLetterSource; limit?: number } = {},
): Promise<DeadLetter[]> {
  const { limit = PAGE } = options
  const found = await Promise.all(
    shelvesOf(keys, options.stage).map(async shelf => {
      const entries = await redis.xrange(keyOf(keys, shelf), '-', '+', 'COUNT', limit)
      return entries.map(([id, fields]) => deadLetter(shelf, id, fields))
    }),
  )
  return found
    .flat()
    .sort((a, b) => a.lastAt - b.lastAt)
    .slice(0, limit)
}

/** Counts dead letters, of one stage or all. */
export async function countDead(redis: Redis, keys: Keys, stage?: DeadLetterSource): Promise<number> {
  const lengths = await Promise.all(shelvesOf(keys, stage).map(shelf => redis.xlen(keyOf(keys, shelf))))
  return lengths.reduce((sum, length) => sum + length, 0)
}

/** Returns a dead letter by name; throws `misconfigured` when there is none of that name. */
export async function readDead(redis: Redis, keys: Keys, name: string): Promise<DeadLetter> {
  const { shelf, id } = placeOf(name)
  const [entry] = await redis.xrange(keyOf(keys, shelf), id, id)
  if (!entry)
    throw new MailError('misconfigured', `there is no dead letter ${name}; list them with \`mailsluice dead list\``)
  return deadLetter(shelf, id, entry[1])
}

/** Deletes a dead letter for good; returns false when it was already gone. */
export async function dropDead(redis: Redis, keys: Keys, letter: DeadLetter): Promise<boolean> {
  return settle(redis, keys, letter, { stream: letter.stream, lane: 'live' })
}

/**
 * Redrives a dead letter: puts its input back with no attempts, so that its message reaches its thread and task. Returns false when the
 * letter was already gone or has no envelope. A message id goes through a window of its own, because its old window is complete; a listing
 * becomes a new run. An input that was unreadable before an upgrade takes the place still open for it.
 */
export async function redriveDead(
  redis: Redis,
  keys: Keys,
  letter: DeadLetter,
  context: { now: number; newRunId: string },
): Promise<boolean> {
  if (letter.text === '') return false
  const stream = STREAMS.find(({ name }) => name === letter.stream)
  const opened = stream ? openEntry(stream, letter.text).items : []
  const own = await runFor(redis, keys, opened[0], context.newRunId)
  const [envelope, ...more] = opened.map(({ failing: _, ...item }): Envelope => ({ ...item, ...own, attempt: 0 }))
  // An unreadable input is retried as it is.
  if (!stream || !envelope)
    return settle(redis, keys, letter, { stream: letter.stream, lane: 'live', text: letter.text })
  const { lane, mailbox, run } = envelope
  const encode = (...items: [Envelope, ...Envelope[]]) => encodeEntry(stream, items)
  const asItWas = { stream: letter.stream, lane, run, text: encode(envelope, ...more) }
  const isListed = letter.stream === messageIds.name || letter.stream === missingIds.name
  if (letter.unread && (!isListed || (await isAwaited(redis, keys, envelope as Envelope<ListedId>))))
    return settle(redis, keys, letter, asItWas)
  if (letter.stream === watchEvents.name) {
    const { newRunId, now: at } = context
    const names = { id: newRunId, run: newRunId, at }
    const again: Envelope = { ...envelope, ...names, lane: 'live', body: { cause: 'request' } }
    return settle(redis, keys, letter, { stream: letter.stream, lane: 'live', text: encode(again) })
  }
  if (!isListed) return settle(redis, keys, letter, asItWas)
  // Named after its dead-lettered place, so that an id with two letters is counted once.
  const { window: lost, index: place } = envelope.body as ListedId
  const window = `redrive:${lost}/${place}`
  const of = 1 + more.length
  const inWindow = (item: Envelope, index: number): Envelope => {
    const { id, thread, verify } = item.body as ListedId
    const body = { id, thread, window, index, of, ...(verify ? { verify } : {}) }
    return { ...item, id: `${run}/${window}/${index}`, at: context.now, body }
  }
  const text = encode(inWindow(envelope, 0), ...more.map((item, place) => inWindow(item, place + 1)))
  const items = JSON.stringify(opened.map(({ body }) => [(body as ListedId).id, (body as ListedId).thread]))
  return settle(redis, keys, letter, { stream: letter.stream, lane, run, mailbox, window, items, text })
}

// An abandoned run does no more work, so its redriven input becomes a run of its own.
async function runFor(
  redis: Redis,
  keys: Keys,
  item: Envelope | undefined,
  newRunId: string,
): Promise<{ run?: string }> {
  if (!item) return {}
  const isAbandoned = await redis.hexists(keys.run(keys.partitionOf(item.mailbox), item.run), RUN.abandoned)
  return isAbandoned === 1 ? { run: newRunId } : {}
}

/** Returns whether the window that listed an id is still open. */
async function isAwaited(redis: Redis, keys: Keys, { mailbox, run, body }: Envelope<ListedId>): Promise<boolean> {
  return (await redis.hexists(keys.window(keys.partitionOf(mailbox), run, body.window), WINDOW.of)) === 1
}

interface Again {
  stream: string
  lane: Lane
  run?: string
  mailbox?: string
  window?: string
  items?: string
  text?: string
}

async function settle(redis: Redis, keys: Keys, letter: DeadLetter, again: Again): Promise<boolean> {
  const { shelf, id } = placeOf(letter.name)
  const { run = '-', window = '-', mailbox = '', items = '', text = '' } = again
  if (shelf.stage === GATEWAY) return takeDeadNotification(redis, keys, id, { again: text !== '' })
  const { partition } = shelf
  const touched = [
    keyOf(keys, shelf),
    keys.stream(partition, again.stream, again.lane),
    keys.run(partition, run),
    keys.window(partition, run, window),
    keys.runs(partition),
    keys.runFresh(partition, run),
  ]
  return (await redriveScript(redis, touched, [id, text, run, mailbox, window, items])) === 1
}

// The gateway's dead letters are in no partition.
type Shelf = { stage: StageName; partition: Partition } | typeof INTAKE

function shelvesOf(keys: Keys, of: DeadLetterSource | undefined): Shelf[] {
  const shelves: Shelf[] = GROUP_NAMES.flatMap(stage => keys.partitions.map(partition => ({ stage, partition })))
  return [...shelves, INTAKE].filter(({ stage }) => of === undefined || stage === of)
}

function keyOf(keys: Keys, shelf: Shelf): string {
  return shelf.stage === GATEWAY ? keys.intakeDead : keys.dead(shelf.partition, shelf.stage)
}

function deadLetter({ stage, partition }: Shelf, id: string, fields: string[]): DeadLetter {
  const value = (name: string) => fields[fields.indexOf(name) + 1] ?? ''
  const text = value(ENTRY.envelope)
  // A notification is no envelope, only the raw fields of its writer.
  const head = stage === GATEWAY ? undefined : readable(() => JSON.parse(text) as Partial<Envelope>)
  return {
    name: `${stage}/${partition}/${id}`,
    stage,
    stream: value(LETTER.stream),
    kind: value(LETTER.kind),
    message: value(LETTER.message),
    firstAt: head?.at,
    lastAt: Number(value(LETTER.at)),
    attempts: head?.attempt === undefined ? undefined : head.attempt + 1,
    mailbox: head?.mailbox,
    run: head?.run,
    unread: value(LETTER.unread) === '1',
    text,
  }
}

function placeOf(name: string): { shelf: Shelf; id: string } {
  const [, word, partition = '', id = ''] = /^([\w-]+)\/(p\d+|intake)\/(\d+-\d+)$/.exec(name) ?? []
  const stage = GROUP_NAMES.find(one => one === word)
  if (word === INTAKE.stage && partition === INTAKE.partition) return { shelf: INTAKE, id }
  if (!stage || partition === INTAKE.partition) {
    throw new MailError(
      'misconfigured',
      `"${name}" is not the name of a dead letter; names look like batch-fetch/p03/1790000000000-0`,
    )
  }
  return { shelf: { stage, partition: partition as Partition }, id }
}

function readable<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
