import type { Envelope } from '../../shared/envelope.ts'
import type { MailboxId } from '../../shared/mailbox.ts'
import type { MessageId, ThreadId } from '../../shared/message.ts'
import { encodePart } from '../../shared/redis/entry.ts'
import { messageIdsIn } from '../../shared/redis/known.ts'
import { linkNamesIn } from '../../shared/redis/links.ts'
import { readMailbox } from '../../shared/redis/mailboxes.ts'
import { THREAD } from '../../shared/redis/schema.ts'
import {
  type Seedbed,
  type SeedWindow,
  seedEntry,
  seedMailbox,
  seedMergedWindow,
  seedRun,
  seedSuspects,
  seedThread,
  seedWindow,
} from '../../shared/redis/seed.ts'
import { type MergedWindow, merged } from '../../shared/streams.ts'
import { isOfKnown } from '../../shared/windows/kinds.ts'
import type { AppContext } from '../base/app.ts'
import type { Recorded } from '../records/recorded.ts'
import type { RecordedRuns, RecordedThread } from './recorded-runs.ts'
import type { OpenWindow, ReplayState } from './replay-state.ts'
import type { Sandbox } from './sandbox.ts'
import { verifiedInRun } from './verified.ts'

interface Seeding {
  app: AppContext
  sandbox: Sandbox
  state: ReplayState
  /** The seeded run, as the head of any of its envelopes. */
  of: Pick<Envelope, 'run' | 'mailbox'>
  recorded: RecordedRuns
}

/** Recreates one run in a sandbox and writes its inputs there. Only reads the real namespace; every key in the sandbox expires automatically. */
export async function seedSandbox(seeding: Seeding): Promise<void> {
  const { app, sandbox, state, of, recorded } = seeding
  await putMailbox(seeding)
  const bed = bedOf(sandbox)
  const { counters, waiting, listing = false, suspects = [] } = state
  if (counters) await seedRun(bed, of, { counters, waiting, isListing: listing })
  await seedSuspects(bed, of, suspects)
  for (const window of state.windows) await seedWindow(bed, of, windowOf(window))
  const recordedThreads = recorded.threads.get(of.run) ?? []
  const messages = new Set<MessageId>()
  const removed = verifiedInRun(recorded, of.run).filter(({ gone }) => gone)
  for (const id of state.threads) {
    const thread = recordedThreads.findLast(one => one.thread === id) ?? (await threadNow(app, of.mailbox, id))
    // Messages that this run removed from the thread belonged to it before.
    const before = removed.flatMap(one => (one.thread === id ? [one.id] : []))
    await seedThread(bed, of.mailbox, { ...thread, ids: [...thread.ids, ...before] })
    for (const message of thread.ids) messages.add(message)
  }
  for (const { places } of state.windows) for (const { id } of places.values()) messages.add(id)
  await putMessages(
    seeding,
    [...messages].filter(id => !state.uncached.has(id)),
  )
  for (const input of state.inputs) await putInput(seeding, input)
}

async function putMailbox({ app, sandbox, state, of: { mailbox } }: Seeding): Promise<void> {
  const record = await readMailbox(app.redis, app.keys, mailbox)
  const cursor = state.listFrom?.cursor ?? record?.cursor
  const synced = state.listFrom?.lane ? state.listFrom.lane === 'live' : record?.synced
  await seedMailbox(bedOf(sandbox), mailbox, { cursor, synced })
  await putLinks({ app, sandbox }, mailbox, [record?.cursor ?? '', cursor ?? ''])
}

// The links are only for people who inspect the sandbox; no stage lists from them there.
async function putLinks(
  { app, sandbox }: Pick<Seeding, 'app' | 'sandbox'>,
  mailbox: MailboxId,
  cursors: readonly string[],
): Promise<void> {
  const keysIn = ({ keys }: AppContext) => [
    keys.folders(mailbox),
    ...cursors.flatMap(linkNamesIn).map(name => keys.link(mailbox, name)),
  ]
  const copies = keysIn(sandbox.app)
  await Promise.all(
    keysIn(app).map(async (key, place) => {
      const text = await app.redis.get(key)
      if (text !== null) await app.redis.set(copies[place] ?? '', text, 'EX', sandbox.keepSeconds)
    }),
  )
}

// The copy keeps the remaining TTL of the message.
async function putMessages({ app, sandbox, of }: Seeding, ids: readonly MessageId[]): Promise<void> {
  const { redis, keys } = app
  await Promise.all(
    ids.map(async id => {
      const key = keys.message(of.mailbox, id)
      const [text, left] = await Promise.all([redis.get(key), redis.pttl(key)])
      const longest = sandbox.keepSeconds * 1000
      const keepMs = left > 0 ? Math.min(left, longest) : longest
      if (text !== null) await redis.set(sandbox.app.keys.message(of.mailbox, id), text, 'PX', keepMs)
    }),
  )
}

async function putInput({ sandbox, of }: Seeding, { stream, lane, envelope }: Recorded): Promise<void> {
  const bed = bedOf(sandbox)
  const text = encodePart({ stream }, [{ ...envelope, attempt: 0, at: bed.now(), replayOf: envelope.id }])
  const body = envelope.body as MergedWindow
  if (stream === merged.name && !body.release) await seedMergedWindow(bed, of, body)
  await seedEntry(bed, { mailbox: of.mailbox, stream, lane, text })
}

function windowOf({ name, of: size, places, open }: OpenWindow): SeedWindow {
  const items = Array.from({ length: size }, (_, index) => (open.has(index) ? places.get(index) : undefined))
  return { name, context: isOfKnown(name), items }
}

function bedOf({ app: { redis, keys, now }, keepSeconds }: Sandbox): Seedbed {
  return { redis, keys, now, keepSeconds }
}

async function threadNow({ redis, keys }: AppContext, mailbox: MailboxId, thread: ThreadId): Promise<RecordedThread> {
  const fields = await redis.hkeys(keys.thread(mailbox, thread))
  return { thread, ids: messageIdsIn(fields), fresh: [], known: fields.includes(THREAD.dispatched), release: '' }
}
