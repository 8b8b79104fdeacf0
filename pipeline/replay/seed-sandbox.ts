import type { Envelope } from '../../shared/envelope.ts'
import type { MailboxId } from '../../shared/mailbox.ts'
import type { MessageId, ThreadId } from '../../shared/message.ts'
import { encodePart } from '../../shared/redis/entry.ts'
import { digestOf, messageIdsIn } from '../../shared/redis/known.ts'
import { linkNamesIn } from '../../shared/redis/links.ts'
import { connectMailbox, readMailbox } from '../../shared/redis/mailboxes.ts'
import { mergedWindowFields } from '../../shared/redis/merged-window.ts'
import { THREAD } from '../../shared/redis/schema.ts'
import { type Fate, type MergedWindow, merged } from '../../shared/streams.ts'
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
  const { app, state, of, recorded } = seeding
  await putMailbox(seeding)
  if (state.counters) await putRun(seeding, state.counters)
  await putSuspects(seeding)
  for (const window of state.windows) await putWindow(seeding, window)
  const recordedThreads = recorded.threads.get(of.run) ?? []
  const messages = new Set<MessageId>()
  const removed = verifiedInRun(recorded, of.run).filter(({ gone }) => gone)
  for (const id of state.threads) {
    const thread = recordedThreads.findLast(one => one.thread === id) ?? (await threadNow(app, of.mailbox, id))
    // Messages that this run removed from the thread belonged to it before.
    const before = removed.flatMap(one => (one.thread === id ? [one.id] : []))
    await putThread(seeding, { ...thread, ids: [...thread.ids, ...before] })
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
  const { redis, keys, now } = sandbox.app
  const record = await readMailbox(app.redis, app.keys, mailbox)
  const cursor = state.listFrom?.cursor ?? record?.cursor
  const synced = state.listFrom?.lane ? state.listFrom.lane === 'live' : record?.synced
  await connectMailbox(redis, keys, mailbox, '', now())
  await putLinks({ app, sandbox }, mailbox, [record?.cursor ?? '', cursor ?? ''])
  const partition = keys.partitionOf(mailbox)
  await redis.expire(keys.mailboxes(partition), sandbox.keepSeconds)
  await redis.expire(keys.mailboxEvents(partition), sandbox.keepSeconds)
  await redis.del(keys.mailbox(mailbox))
  await putHash(sandbox, keys.mailbox(mailbox), {
    connectedAt: `${now()}`,
    ...(cursor ? { cursor } : {}),
    ...(synced ? { synced: '1' } : {}),
  })
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

async function putRun({ sandbox, state, of }: Seeding, counters: Record<string, number>): Promise<void> {
  const { redis, keys, now } = sandbox.app
  const partition = keys.partitionOf(of.mailbox)
  await putHash(sandbox, keys.run(partition, of.run), {
    mailbox: of.mailbox,
    cause: 'replay',
    startedAt: `${now()}`,
    releasedAt: `${now()}`,
    ...(state.listing ? {} : { listing: 'done' }),
    ...Object.fromEntries(Object.entries(counters).map(([field, count]) => [field, `${count}`])),
  })
  await redis.zadd(keys.runs(partition), now(), of.run)
  await redis.expire(keys.runs(partition), sandbox.keepSeconds)
  for (const { thread, fresh } of state.waiting) {
    await redis.zadd(keys.runThreads(partition, of.run), now(), thread)
    await putHash(sandbox, keys.runFresh(partition, of.run), { [thread]: JSON.stringify(fresh) })
  }
  await redis.expire(keys.runThreads(partition, of.run), sandbox.keepSeconds)
}

async function putWindow({ sandbox, of }: Seeding, { name, of: size, places, open }: OpenWindow): Promise<void> {
  const { keys } = sandbox.app
  const filtered: Fate = 'filtered'
  // A filtered known message would be removed from its thread, so these positions name no message.
  const listed = Array.from({ length: size }, (_, index) => (open.has(index) ? places.get(index) : undefined))
  const settled = listed.flatMap((_, index) => (open.has(index) ? [] : [[`${index}`, filtered]]))
  await putHash(sandbox, keys.window(keys.partitionOf(of.mailbox), of.run, name), {
    of: `${size}`,
    context: isOfKnown(name) ? '1' : '0',
    items: JSON.stringify(listed.map(place => [place?.id ?? '', place?.thread ?? ''])),
    done: `${settled.length}`,
    ...Object.fromEntries(settled),
  })
}

async function putSuspects({ sandbox, state: { suspects = [] }, of }: Seeding): Promise<void> {
  const { keys } = sandbox.app
  const key = keys.runSuspects(keys.partitionOf(of.mailbox), of.run)
  if (suspects.length > 0)
    await putHash(sandbox, key, Object.fromEntries(suspects.map(({ id, thread }) => [id, thread])))
}

async function putThread({ sandbox, of }: Seeding, { thread, ids, known }: RecordedThread): Promise<void> {
  const { redis, keys } = sandbox.app
  const key = keys.thread(of.mailbox, thread)
  if (ids.length > 0) {
    await putHash(sandbox, key, Object.fromEntries(ids.map(id => [`id:${id}`, '1'])))
    await putHash(sandbox, keys.threadsOf(of.mailbox), Object.fromEntries(ids.map(id => [digestOf(id), thread])))
  }
  if (known)
    await redis.multi().hsetnx(key, THREAD.dispatched, 'before the replay').expire(key, sandbox.keepSeconds).exec()
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
  const { redis, keys, now } = sandbox.app
  const key = keys.stream(keys.partitionOf(of.mailbox), stream, lane)
  const text = encodePart({ stream }, [{ ...envelope, attempt: 0, at: now(), replayOf: envelope.id }])
  const body = envelope.body as MergedWindow
  if (stream === merged.name && !body.release)
    await putHash(sandbox, keys.window(keys.partitionOf(of.mailbox), of.run, body.window), mergedWindowFields(body))
  await redis.multi().xadd(key, '*', 'envelope', text).expire(key, sandbox.keepSeconds).exec()
}

async function putHash({ app, keepSeconds }: Sandbox, key: string, fields: Record<string, string>): Promise<void> {
  await app.redis.multi().hset(key, fields).expire(key, keepSeconds).exec()
}

async function threadNow({ redis, keys }: AppContext, mailbox: MailboxId, thread: ThreadId): Promise<RecordedThread> {
  const fields = await redis.hkeys(keys.thread(mailbox, thread))
  return { thread, ids: messageIdsIn(fields), fresh: [], known: fields.includes(THREAD.dispatched), release: '' }
}
