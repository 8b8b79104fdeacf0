import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { AppContext } from '../../pipeline/base/app.ts'
import { STAGES } from '../../pipeline/base/stages.ts'
import { LANES } from '../../shared/envelope.ts'
import { MailError } from '../../shared/error.ts'
import type { MailboxId } from '../../shared/mailbox.ts'
import { approve } from '../../shared/redis/approvals.ts'
import { createHealing } from '../../shared/redis/heal.ts'
import { inspectPartition } from '../../shared/redis/inspect.ts'
import { deadLetterNotification, GATEWAY, takeDeadNotification } from '../../shared/redis/intake.ts'
import { createLease } from '../../shared/redis/lease.ts'
import { connectMailbox, postWatchEvent } from '../../shared/redis/mailboxes.ts'
import { createQueue } from '../../shared/redis/queue.ts'
import { createQuota } from '../../shared/redis/quota.ts'
import { reapPartition } from '../../shared/redis/reap.ts'
import { createRestoring } from '../../shared/redis/restore.ts'
import { createVault } from '../../shared/redis/secrets.ts'
import { createSinkState } from '../../shared/redis/sink-state.ts'
import { createSpending } from '../../shared/redis/spending.ts'
import { trimPartition } from '../../shared/redis/trim.ts'
import { noteWatched } from '../../shared/redis/watches.ts'
import { createSeal } from '../../shared/seal.ts'
import { merged, watchEvents } from '../../shared/streams.ts'

const CY: MailboxId = 'gmail:cy@example.com'
const FIRST_ENTRY = '1-1'
const NOON = 20_000.5 * 86_400_000
const HOUR_MS = 3_600_000
// A half-failed change counts as new, and must be seen twice again.
const LOOKS = 5

/** Runs the scripts that no sync needs; `ask` retries until Redis executes one. Returns the results, the same each time. */
export async function doChores(app: AppContext, ask: <T>(what: () => Promise<T>) => Promise<T>) {
  const { redis, keys, now } = app
  const [partition] = [keys.partitionOf(CY)]
  await ask(() => connectMailbox(redis, keys, CY, 'pinned:0', now()))

  const quota = createQuota({ redis, keys, mailbox: CY, limits: { mailboxUnits: 100, requests: 10 } })
  const leave = await ask(() => quota.reserve({ units: 10, requests: 2 }))
  if (leave.permit === 'go') await ask(() => leave.settle({ units: 7, refused: 'concurrency' }))
  const book = Object.entries(await redis.hgetall(keys.quota(CY)))
  const spent = book.flatMap(([field, value]) => (field.startsWith('spent:') ? [Number(value)] : []))

  const money = await spend(app, ask)

  const vault = createVault(redis, keys, createSeal([{ version: 'v1', key: randomBytes(32) }]))
  await vault.put(CY, { secret: 'secret', access: { token: 'token', givenAt: 1, endsAt: 2 } })
  const grant = await vault.read(CY)
  await ask(() => vault.refuse(CY, grant?.id ?? '', 'no'))
  await ask(() => noteWatched(redis, keys, CY, { expiresAt: 5, now: 4 }))
  const lease = createLease(redis, keys.keeper)
  const isHeld = await ask(() => lease.take(60_000))
  await ask(() => lease.giveBack())

  await redis.xadd(keys.intake, FIRST_ENTRY, 'data', 'x')
  await redis.xgroup('CREATE', keys.intake, GATEWAY, '0')
  await redis.call('XREADGROUP', 'GROUP', GATEWAY, 'me', 'STREAMS', keys.intake, '>')
  const error = new MailError('unparsable', 'no')
  await ask(() => deadLetterNotification(redis, keys, { entryId: FIRST_ENTRY, fields: { data: 'x' }, error }))
  for (const [id] of await redis.xrange(keys.intakeDead, '-', '+'))
    await ask(() => takeDeadNotification(redis, keys, id, { again: true }))

  const stream = keys.stream(partition, merged.name, 'live')
  const queueOf = (consumer: string) =>
    createQueue({ redis, keys, stage: 'thread-group', streams: [merged.name], consumer, partitions: [partition], now })
  const [mine, others] = [queueOf('me'), queueOf('other')]
  await mine.createGroups()
  for (let count = 1; count <= 3; count += 1) await redis.xadd(stream, `${count}-1`, 'envelope', 'x')
  await mine.read(redis, [stream], 3, undefined)
  const own = await ask(() => mine.readOwn(stream, '0', 10))
  const [entry] = own.entries
  const trial = entry && (await ask(() => mine.tryAlone(entry)))
  await redis.xdel(stream, '3-1')
  await sleep(2)
  await ask(() => others.reclaim(1, 10, ['live']))
  await ask(() => others.shutdown())
  await ask(() => reapPartition(redis, keys, partition, { stages: STAGES, idleMs: 0 }))
  await redis.xack(stream, 'thread-group', '1-1', '2-1')
  await ask(() => trimPartition(redis, keys, partition, { stages: STAGES, retentionMs: 0 }))
  const healed = await healLosses(app, ask)
  const [, pending] = (await redis.xinfo('GROUPS', keys.intake)) as unknown[][]

  return {
    healed,
    money,
    spent: spent.reduce((sum, units) => sum + units, 0),
    leases: book.filter(([field, value]) => field.startsWith('lease:') && value === '').length,
    places: book.find(([field]) => field === 'places')?.[1],
    refused: [(await vault.read(CY))?.refused, (await vault.read(CY))?.access],
    watched: await redis.hget(keys.mailbox(CY), 'watchExpiresAt'),
    lease: [isHeld, await redis.exists(keys.keeper)],
    intake: [pending, new Set((await redis.xrange(keys.intake, '-', '+')).map(([, fields]) => fields.join(' ')))],
    trial,
    left: await redis.xlen(stream),
    consumers: ((await redis.xinfo('CONSUMERS', stream, 'thread-group')) as unknown[][]).map(fields => fields[1]),
  }
}

/** Reserves, sends and settles a model call, releases another, and is refused a third, which waits in its order. */
async function spend({ redis, keys }: AppContext, ask: <T>(what: () => Promise<T>) => Promise<T>) {
  let count = 0
  const uuid = () => `call ${count}`
  const limits = { dayMicroUsd: 100, mailboxMicroUsd: 200, requestsPerMinute: 2, tokensPerMinute: 100 }
  const spending = createSpending({ redis, keys, limits, now: () => NOON, uuid })
  const reserve = async (microUsd: number) => {
    count += 1
    const call = await ask(() =>
      spending.reserve({ mailbox: CY, task: `${count}`, lane: 'live', microUsd, tokens: microUsd }),
    )
    return call.outcome === 'go' ? call : undefined
  }
  const call = await reserve(70)
  const isSent = call && (await ask(() => call.sent()))
  const refused = await reserve(40)
  const isWithin = call && (await ask(() => call.settle({ microUsd: 50, tokens: 40 })))
  const other = await reserve(40)
  await ask(async () => other?.release())
  const sink = createSinkState({ redis, keys, settings: 'x', now: () => NOON, uuid })
  await ask(() => sink.pause('no'))
  const waits = await ask(() => sink.waits())
  const later = createSinkState({ redis, keys, settings: 'x', now: () => NOON + HOUR_MS, uuid })
  const tries = await ask(() => later.waits())
  await ask(() => approve(redis, keys, { mailbox: CY, now: NOON }))
  const kept = [keys.spending(CY), keys.allSpending, keys.sink, keys.approval(CY)]
  return [isSent, refused, isWithin, waits, tries, ...(await Promise.all(kept.map(key => redis.hgetall(key))))]
}

/** Loses a run, an event and a mailbox's place, and heals them. */
async function healLosses({ redis, keys, now }: AppContext, ask: <T>(what: () => Promise<T>) => Promise<T>) {
  const partition = keys.partitionOf(CY)
  const names = ['first', 'second', 'third']
  const newRunId = () => names[0] ?? ''
  const options = { redis, keys, now, newRunId }
  const [healing, restoring] = [createHealing({ ...options, stages: STAGES, afterMs: 0 }), createRestoring(options)]
  const look = async () => {
    const sight = await ask(() => inspectPartition(redis, keys, partition))
    await ask(() => restoring.restore(partition, sight))
    await ask(() => healing.heal(partition, sight))
  }
  const lose = async () => {
    await redis.del(keys.runs(partition), ...LANES.map(lane => keys.stream(partition, watchEvents.name, lane)))
    await redis.hdel(keys.mailbox(CY), 'activeRun')
  }
  const [mailbox, run] = [keys.mailbox(CY), keys.run(partition, 'lost')]
  await redis.hset(run, 'mailbox', CY, 'startedAt', 1, 'from', 'before', 'opened', 1, 'merged', 0, 'status', 'done')
  await redis.hset(keys.runUnsent(partition, 'lost'), 'thread', '')
  await redis.hset(keys.window(partition, 'lost', 'redrive:x'), 'of', 1, 'context', '0', 'items', '[["m1","thread"]]')
  await redis.zadd(keys.runs(partition), 1, 'lost')
  await redis.hset(mailbox, 'activeRun', 'lost')
  for (let times = 0; times < LOOKS; times += 1) await look()
  const abandoned = await redis.hget(run, 'abandoned')
  const [by = ''] = names.splice(0, 1)
  const run2 = await redis.hgetall(keys.run(partition, by))
  await lose()
  for (let times = 0; times < LOOKS; times += 1) await look()
  const asked = await redis.hget(mailbox, 'asked')
  await lose()
  await ask(() => postWatchEvent(redis, keys, CY, { run: 'posted', at: now(), body: { cause: 'request' } }))
  await redis.srem(keys.mailboxes(partition), CY)
  await look()
  const listed = await redis.sismember(keys.mailboxes(partition), CY)
  const threads = await redis.zrange(keys.runThreads(partition, by), '0', '-1')
  return {
    abandoned,
    heals: run2.heals,
    opened: run2.opened,
    listed,
    asked: [asked, await redis.hget(mailbox, 'asked')],
    threads,
  }
}
