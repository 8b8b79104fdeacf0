import type { Redis } from 'ioredis'
import { LANES, type Lane } from '../envelope.ts'
import type { MailboxId } from '../mailbox.ts'
import { STAGE_NAMES, type StageName } from '../stage.ts'
import type { Keys, Partition } from './keys.ts'
import type { Reading } from './trim.ts'

/**
 * The role of each kind of key. In a `waits` key, entries wait for a stage; work waits nowhere else. A `mark` announces coming work. A
 * `state` is needed by work. A `record` describes past events. Every new kind of key is declared here, and the table in `docs/keys.md` says
 * how it is rebuilt.
 */
export const KINDS_OF_KEYS = {
  stream: 'waits',
  delay: 'waits',
  parked: 'waits',
  intake: 'mark',
  intakeDelay: 'mark',
  mailbox: 'mark',
  run: 'mark',
  runThreads: 'mark',
  runUnsent: 'mark',
  window: 'mark',
  subscriptionsDue: 'mark',
  deferred: 'mark',
  endedRuns: 'mark',
  runFresh: 'state',
  runSuspects: 'state',
  mailboxes: 'state',
  runs: 'state',
  marks: 'state',
  intakeMarks: 'state',
  subscriptions: 'state',
  secret: 'state',
  refreshing: 'state',
  quota: 'state',
  projectQuota: 'state',
  spending: 'state',
  allSpending: 'state',
  sink: 'state',
  approval: 'state',
  message: 'state',
  thread: 'state',
  threadsOf: 'state',
  link: 'state',
  folders: 'state',
  folderFaults: 'state',
  tokenRefused: 'state',
  layout: 'state',
  keeper: 'state',
  seen: 'state',
  warm: 'state',
  dead: 'record',
  intakeDead: 'record',
  arrivals: 'record',
  metrics: 'record',
  mailboxEvents: 'record',
  result: 'record',
} as const satisfies Record<KeyKind, 'waits' | 'mark' | 'state' | 'record'>

/** A kind of key, by its name in `Keys`. */
export type KeyKind = Exclude<keyof Keys, 'partitions' | 'partitionOf' | 'partitionIn' | 'head'>

/** A place where work waits for a stage: a stream of one lane, unread or pending; delayed work; or work parked with its mailbox. */
export type Place =
  | { kind: 'stream'; key: string; stage: StageName; stream: string; lane: Lane }
  | { kind: 'delay'; key: string; stage: StageName }
  | { kind: 'parked'; key: string; mailbox: MailboxId }

const PAGE = 500
const MAX_SCANNED = 10_000
const RUN = /"run":"(?:[^"\\]|\\.)*"/
const MAILBOX = /"mailbox":"(?:[^"\\]|\\.)*"/
// From here on a thread moves as a whole, and no window waits for it.
const LATE_STAGES: readonly StageName[] = STAGE_NAMES.slice(STAGE_NAMES.indexOf('thread-group'))

/**
 * Returns every place of a partition where work of these stages may wait, with the parked work of these mailboxes. Delays come before the
 * streams they return to, and streams in flow order, so that work that moves meanwhile is met later.
 */
export function placesOf(
  keys: Keys,
  partition: Partition,
  { stages, mailboxes = [] }: { stages: readonly Reading[]; mailboxes?: readonly MailboxId[] },
): Place[] {
  return [
    ...mailboxes.map((mailbox): Place => ({ kind: 'parked', key: keys.parked(mailbox), mailbox })),
    ...stages.flatMap(({ name: stage, reads }): Place[] => [
      { kind: 'delay', key: keys.delay(partition, stage), stage },
      ...reads.flatMap(({ name: stream }) =>
        LANES.map(
          (lane): Place => ({ kind: 'stream', key: keys.stream(partition, stream, lane), stage, stream, lane }),
        ),
      ),
    ]),
  ]
}

/** The waiting work: whether any belongs to a run (with `late`, only its threads), and whether an event of a mailbox waits. */
export interface Waiting {
  ofRun(run: string, options: { late: boolean }): boolean
  toBeListed(mailbox: MailboxId): boolean
}

/**
 * Searches places for waiting work. Where a place has more than ten thousand entries, everything is reported as waiting: stalled work may
 * merely be behind them.
 */
export async function findWaiting(redis: Redis, places: readonly Place[], signal?: AbortSignal): Promise<Waiting> {
  const [all, late, first] = [new Set<string>(), new Set<string>(), new Set<string>()]
  for (const place of places) {
    let count = 0
    for await (const texts of textsIn(redis, place)) {
      count += texts.length
      if (signal?.aborted || count >= MAX_SCANNED) return { ofRun: () => true, toBeListed: () => true }
      for (const text of texts) {
        const run = RUN.exec(text)?.[0] ?? ''
        all.add(run)
        if (isLate(place)) late.add(run)
        if (isFirst(place)) first.add(MAILBOX.exec(text)?.[0] ?? '')
      }
    }
  }
  return {
    ofRun: (run, options) => (options.late ? late : all).has(textOf('run', run)),
    toBeListed: mailbox => first.has(textOf('mailbox', mailbox)),
  }
}

/** Returns the text that every entry of a run or a mailbox contains. */
export function textOf(name: 'run' | 'mailbox', value: string): string {
  return `"${name}":${JSON.stringify(value)}`
}

/** Returns whether a place holds events that wait to be listed. */
export function isFirst(place: Place): boolean {
  return place.kind === 'parked' || place.stage === 'list-ids'
}

/** Returns whether a place holds threads rather than the ids or events before them. */
export function isLate(place: Place): boolean {
  return place.kind === 'parked' || LATE_STAGES.includes(place.stage)
}

/** Yields the texts of all entries that wait in a place, some hundred at a time: unread, pending, delayed or parked. */
export async function* textsIn(redis: Redis, place: Place): AsyncGenerator<string[]> {
  if (place.kind === 'stream') yield* inStream(redis, place.key, place.stage)
  else if (place.kind === 'delay') yield* inPages(from => redis.zrange(place.key, `${from}`, `${from + PAGE - 1}`))
  else yield* inPages(from => redis.lrange(place.key, from, from + PAGE - 1))
}

// Unread entries first, then pending ones.
async function* inStream(redis: Redis, key: string, group: string): AsyncGenerator<string[]> {
  const groups = (await redis.xinfo('GROUPS', key).catch(noneWithoutKey)) as unknown[][]
  const own = groups.find(fields => fields[1] === group)
  let after = own ? String(own[own.indexOf('last-delivered-id') + 1]) : '0-0'
  for (;;) {
    const entries = await redis.xrange(key, `(${after}`, '+', 'COUNT', PAGE)
    after = entries.at(-1)?.[0] ?? after
    if (entries.length > 0) yield entries.map(([, fields]) => fields.join(' '))
    if (entries.length < PAGE) break
  }
  for (let from = '-'; own; ) {
    const pending = (await redis.xpending(key, group, from, '+', PAGE)) as [string, ...unknown[]][]
    const found = await Promise.all(pending.map(([id]) => redis.xrange(key, id, id)))
    if (pending.length > 0) yield found.map(([entry]) => entry?.[1].join(' ') ?? '')
    if (pending.length < PAGE) break
    from = `(${pending.at(-1)?.[0]}`
  }
}

async function* inPages(read: (from: number) => Promise<string[]>): AsyncGenerator<string[]> {
  for (let from = 0; ; from += PAGE) {
    const page = await read(from)
    if (page.length > 0) yield page
    if (page.length < PAGE) return
  }
}

function noneWithoutKey(error: Error): [] {
  if (!/no such key/.test(error.message)) throw error
  return []
}
