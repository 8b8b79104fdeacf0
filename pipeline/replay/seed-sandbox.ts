import type { Envelope } from '../../shared/envelope.ts'
import type { MailboxId } from '../../shared/mailbox.ts'
import type { MessageId, ThreadId } from '../../shared/message.ts'
import { encodePart } from '../../shared/redis/entry.ts'
import { digestOf, messageIdsIn } from '../../shared/redis/known.ts'
import { linkNamesIn } from '../../shared/redis/links.ts'
import { connectMailbox, readMailbox } from '../../shared/redis/mailboxes.ts'
import { mergedWindowFields } from '../../shared/redis/merged-window.ts'
import { type Fate, type MergedWindow, merged } from '../../shared/streams.ts'
import { isOfKnown } from '../../shared/windows/kinds.ts'
import type { AppContext } from '../base/app.ts'
import type { Recorded } from '../records/recorded.ts'
import type { RecordedRuns, ThreadThen } from './recorded-runs.ts'
import type { OpenWindow, ReplayState } from './replay-state.ts'
import type { Sandbox } from './sandbox.ts'
import { verifiedThen } from './verified.ts'

interface Seeding {
  app: AppContext
  sandbox: Sandbox
  setting: ReplayState
  /** The run that is set up, as the head of any of its envelopes. */
  of: Pick<Envelope, 'run' | 'mailbox'>
  recall: RecordedRuns
}

/** Sets up one run in a sandbox from the app it belongs to, which is only read, and puts its inputs in. Every key expires by itself. */
export async function seedSandbox(furnishing: Seeding): Promise<void> {
  const { app, setting, of, recall } = furnishing
  await putMailbox(furnishing)
  if (setting.counters) await putRun(furnishing, setting.counters)
  await putSuspects(furnishing)
  for (const window of setting.windows) await putWindow(furnishing, window)
  const then = recall.threads.get(of.run) ?? []
  const messages = new Set<MessageId>()
  const left = verifiedThen(recall, of.run).filter(({ gone }) => gone)
  for (const id of setting.threads) {
    const thread = then.findLast(one => one.thread === id) ?? (await threadNow(app, of.mailbox, id))
    // What left it in this run was in it before.
    const before = left.flatMap(one => (one.thread === id ? [one.id] : []))
    await putThread(furnishing, { ...thread, ids: [...thread.ids, ...before] })
    for (const message of thread.ids) messages.add(message)
  }
  for (const { places } of setting.windows) for (const { id } of places.values()) messages.add(id)
  await putMessages(
    furnishing,
    [...messages].filter(id => !setting.withheld.has(id)),
  )
  for (const input of setting.put) await putInput(furnishing, input)
}

async function putMailbox({ app, sandbox, setting, of: { mailbox } }: Seeding): Promise<void> {
  const { redis, keys, now } = sandbox.app
  const record = await readMailbox(app.redis, app.keys, mailbox)
  const cursor = setting.place?.cursor ?? record?.cursor
  const synced = setting.place?.lane ? setting.place.lane === 'live' : record?.synced
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

// For whoever looks around in the sandbox: nobody lists from these links there.
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

async function putRun({ sandbox, setting, of }: Seeding, counters: Record<string, number>): Promise<void> {
  const { redis, keys, now } = sandbox.app
  const partition = keys.partitionOf(of.mailbox)
  await putHash(sandbox, keys.run(partition, of.run), {
    mailbox: of.mailbox,
    cause: 'replay',
    startedAt: `${now()}`,
    releasedAt: `${now()}`,
    ...(setting.listing ? {} : { listing: 'done' }),
    ...Object.fromEntries(Object.entries(counters).map(([field, count]) => [field, `${count}`])),
  })
  await redis.zadd(keys.runs(partition), now(), of.run)
  await redis.expire(keys.runs(partition), sandbox.keepSeconds)
  for (const { thread, fresh } of setting.waiting) {
    await redis.zadd(keys.runThreads(partition, of.run), now(), thread)
    await putHash(sandbox, keys.runFresh(partition, of.run), { [thread]: JSON.stringify(fresh) })
  }
  await redis.expire(keys.runThreads(partition, of.run), sandbox.keepSeconds)
}

async function putWindow({ sandbox, of }: Seeding, { name, of: size, places, open }: OpenWindow): Promise<void> {
  const { keys } = sandbox.app
  const leftOut: Fate = 'filtered'
  // A known message that is left out would leave its thread: nobody is named.
  const listed = Array.from({ length: size }, (_, index) => (open.has(index) ? places.get(index) : undefined))
  const settled = listed.flatMap((_, index) => (open.has(index) ? [] : [[`${index}`, leftOut]]))
  await putHash(sandbox, keys.window(keys.partitionOf(of.mailbox), of.run, name), {
    of: `${size}`,
    context: isOfKnown(name) ? '1' : '0',
    items: JSON.stringify(listed.map(place => [place?.id ?? '', place?.thread ?? ''])),
    done: `${settled.length}`,
    ...Object.fromEntries(settled),
  })
}

async function putSuspects({ sandbox, setting: { suspects = [] }, of }: Seeding): Promise<void> {
  const { keys } = sandbox.app
  const key = keys.runSuspects(keys.partitionOf(of.mailbox), of.run)
  if (suspects.length > 0)
    await putHash(sandbox, key, Object.fromEntries(suspects.map(({ id, thread }) => [id, thread])))
}

async function putThread({ sandbox, of }: Seeding, { thread, ids, known }: ThreadThen): Promise<void> {
  const { redis, keys } = sandbox.app
  const key = keys.thread(of.mailbox, thread)
  if (ids.length > 0) {
    await putHash(sandbox, key, Object.fromEntries(ids.map(id => [`id:${id}`, '1'])))
    await putHash(sandbox, keys.threadsOf(of.mailbox), Object.fromEntries(ids.map(id => [digestOf(id), thread])))
  }
  if (known) await redis.multi().hsetnx(key, 'dispatched', 'before the replay').expire(key, sandbox.keepSeconds).exec()
}

// A message is kept for as long as it would have been kept anyway.
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

async function threadNow({ redis, keys }: AppContext, mailbox: MailboxId, thread: ThreadId): Promise<ThreadThen> {
  const fields = await redis.hkeys(keys.thread(mailbox, thread))
  return { thread, ids: messageIdsIn(fields), fresh: [], known: fields.includes('dispatched'), release: '' }
}
