import type { Redis } from 'ioredis'
import type { MailboxId } from '../../shared/mailbox.ts'
import type { MessageId } from '../../shared/message.ts'
import type { StageName } from '../../shared/stage.ts'
import {
  analysisTasks,
  cachedMessages,
  dueTasks,
  fetchedMessages,
  merged,
  messageIds,
  missingIds,
  STREAMS,
  type Stream,
  type ThreadChange,
  threads,
  watchEvents,
} from '../../shared/streams.ts'
import type { AppContext } from '../base/app.ts'
import { READERS } from '../base/stages.ts'
import { windowOf } from '../records/lineage.ts'
import { byEntry, grouped, mentions, type Recorded, recordedIn } from '../records/recorded.ts'

/** The progress of a stage on an entry it reads. */
export type Progress =
  | { stage: StageName; state: 'done' }
  | { stage: StageName; state: 'not read yet' }
  | { stage: StageName; state: 'in work'; consumer: string; forMs: number; deliveries: number }

/** One entry on the way of a message, and the progress of the stages that read it. */
export interface Hop extends Recorded {
  /** Milliseconds since the previous entry of the same run. */
  sinceMs: number | undefined
  progress: readonly Progress[]
}

/** All entries about one message in one run, oldest first. */
export interface Journey {
  mailbox: MailboxId
  run: string
  message: MessageId
  hops: readonly Hop[]
}

/** A query for a message, in one mailbox or all, in one run or all. */
export interface MessageQuery {
  message: MessageId
  mailbox?: MailboxId | undefined
  run?: string | undefined
  signal: AbortSignal
}

/** Parses a message id, or an envelope id such as `run/window/index`, which selects its message in that run. */
export async function messageQuery(
  app: AppContext,
  text: string,
  options: { mailbox?: MailboxId | undefined; signal: AbortSignal },
): Promise<MessageQuery> {
  for (const stream of text.includes('/') ? [messageIds, missingIds] : []) {
    for await (const { envelope } of recordedIn(app, stream, { ...options, newestFirst: true })) {
      if (envelope.id === text) return { ...options, message: envelope.body.id, run: envelope.run }
    }
  }
  return { ...options, message: text }
}

/** Returns every journey of a message that the streams still hold, oldest first. Reads a few hundred entries at a time. */
export async function findJourneys(app: AppContext, query: MessageQuery): Promise<Journey[]> {
  const { message } = query
  const named: Recorded[] = []
  for (const stream of [
    messageIds,
    cachedMessages,
    missingIds,
    fetchedMessages,
    threads,
    dueTasks,
  ] as readonly Stream[]) {
    named.push(...(await matching(app, stream, query, ({ envelope }) => mentions(envelope.body, message))))
  }
  const ids = new Set(named.map(({ envelope }) => envelope.id))
  const releases = new Set(named.map(({ envelope }) => (envelope.body as Partial<ThreadChange>).part?.group))
  const windows = new Set(named.map(({ envelope: { run, body } }) => `${run} ${(body as { window?: string }).window}`))
  const runs = new Set(named.map(({ envelope }) => envelope.run))
  // A task that omits the message for its token budget still belongs to the journey.
  const tasks = await matching(
    app,
    analysisTasks,
    query,
    ({ envelope: { id, body } }) => mentions(body, message) || ids.has(id.replace(/\/task$/, '')),
  )
  const joins = await matching(
    app,
    merged,
    query,
    ({ envelope: { id, body } }) => mentions(body, message) || releases.has(id),
  )
  const events = await matching(
    app,
    watchEvents,
    query,
    ({ envelope: { id, run, body } }) => runs.has(run) && (id === run || windows.has(`${run} ${windowOf(body)}`)),
  )
  const all = [...named, ...tasks, ...joins, ...events].sort(byFlow)
  const journeys = [...grouped(all, ({ envelope }) => `${envelope.mailbox} ${envelope.run}`).values()]
  return Promise.all(
    journeys.map(async entries => {
      const hops = entries.map(async (entry, index): Promise<Hop> => {
        const before = entries[index - 1]
        const sinceMs = before && entry.writtenAt - before.writtenAt
        return { ...entry, sinceMs, progress: await progressOf(app.redis, entry) }
      })
      const { mailbox, run } = entries[0]?.envelope ?? { mailbox: 'gmail:' as const, run: '' }
      return { mailbox, run, message, hops: await Promise.all(hops) }
    }),
  )
}

async function matching<Body>(
  app: AppContext,
  stream: Stream<Body>,
  { mailbox, run, signal }: MessageQuery,
  matches: (entry: Recorded<Body>) => boolean,
): Promise<Recorded[]> {
  const found: Recorded[] = []
  for await (const entry of recordedIn(app, stream, { mailbox, newestFirst: true, signal })) {
    if ((run === undefined || entry.envelope.run === run) && matches(entry)) found.push(entry)
  }
  return found
}

async function progressOf(redis: Redis, { key, entryId, stream }: Recorded): Promise<Progress[]> {
  const readers = READERS.filter(({ reads }) => reads.some(({ name }) => name === stream))
  return Promise.all(
    readers.map(async ({ name: stage }): Promise<Progress> => {
      const delivered = await lastDelivered(redis, key, stage)
      if (delivered === undefined || byEntry({ entryId }, { entryId: delivered }) > 0) {
        return { stage, state: 'not read yet' }
      }
      const [pending] = (await redis.xpending(key, stage, entryId, entryId, 1)) as [string, string, number, number][]
      if (!pending) return { stage, state: 'done' }
      const [, consumer, forMs, deliveries] = pending
      return { stage, state: 'in work', consumer, forMs, deliveries }
    }),
  )
}

async function lastDelivered(redis: Redis, key: string, group: string): Promise<string | undefined> {
  const groups = (await redis.xinfo('GROUPS', key).catch(() => [])) as unknown[][]
  const fields = groups.find(one => one[one.indexOf('name') + 1] === group)
  return fields && String(fields[fields.indexOf('last-delivered-id') + 1])
}

// Entry ids of different streams do not order entries of the same millisecond; the flow does.
function byFlow(a: Recorded, b: Recorded): number {
  const place = ({ stream }: Recorded) => STREAMS.findIndex(({ name }) => name === stream)
  return a.writtenAt - b.writtenAt || place(a) - place(b) || byEntry(a, b)
}
