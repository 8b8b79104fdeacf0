import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { requestSync } from '../../pipeline/accounts/request-sync.ts'
import { createLog } from '../../pipeline/base/log.ts'
import { STAGES } from '../../pipeline/base/stages.ts'
import { startKeeper } from '../../pipeline/keeper/keeper.ts'
import type { MailboxId } from '../../shared/mailbox.ts'
import { readBacklog } from '../../shared/redis/backlog.ts'
import { connectMailbox, readMailbox } from '../../shared/redis/mailboxes.ts'
import { STAGE_NAMES } from '../../shared/stage.ts'
import { analysisTasks } from '../../shared/streams.ts'
import { fakeMailbox } from '../support/fake-mailbox.ts'
import { ANA, startPipeline, type TestPipeline } from '../support/pipeline.ts'
import { startRedis } from '../support/redis.ts'
import { hidden } from '../support/surroundings.ts'
import { until } from '../support/until.ts'

const INTERVAL_MS = 300
const PARTITIONS = 28
const SHARED = 4
const SHARING = 95
const WITHIN_MS = 40_000
const THREADS = 2
const KNOWN = ['m0', 'm1', 'm2']
const ASK_AGAIN_MS = 200
const ENTRIES = 'entries'

const server = await startRedis()
t.teardown(() => server.stop())

interface Boxes {
  alone: MailboxId[]
  shared: MailboxId[]
}

/** A mailbox and the state that it lost. */
interface Loss {
  mailbox: MailboxId
  what: string
}

t.test('a mailbox recovers from any lost key, entry or field', { timeout: 120_000 }, async t => {
  const mailbox = fakeMailbox()
  mailbox.deliver(3, THREADS)
  const settings = { PARTITIONS: `${PARTITIONS}`, LEASE_MS: '2000' }
  const pipeline = await startPipeline(server, mailbox, { settings })
  t.teardown(() => pipeline.stop())
  const { app } = pipeline
  await pipeline.sync()
  await pipeline.stopStages()
  const { alone, shared } = await connectMany(pipeline)
  mailbox.deliver(3, THREADS)
  const asked = await Promise.all([...alone, ...shared].map(async box => [box, await requestSync(app, box)] as const))
  const runs = new Map(asked)
  const losses: Loss[] = []
  for (const [hop, stage] of [undefined, ...STAGE_NAMES].entries()) {
    if (stage) pipeline.start([stage])
    const begun = STAGES.slice(0, hop)
    await until(() => isEmpty(app, begun), `they are beyond ${stage ?? 'the event'}`, WITHIN_MS)
    losses.push(...(await lose(pipeline, stage ?? 'the event', { alone, shared, runs })))
  }
  const left = `${alone.length} and ${shared.length}`
  const keeper = startKeeper(app, { log: createLog(app.config, 'test', hidden), intervalMs: INTERVAL_MS })
  t.teardown(() => keeper.stop())
  const began = Date.now()
  const sick = await untilWhole(pipeline, losses)
  t.same(sick, [], `of ${losses.length} losses`)
  t.comment(`${losses.length} losses, ${left} unused, ${Date.now() - began} ms`)
})

/** Creates mailboxes that were synced once like Ana's, some alone in their partition and some sharing one. */
async function connectMany({ app: { redis, keys, now } }: TestPipeline): Promise<Boxes> {
  const alone = new Map<string, MailboxId>()
  const shared: MailboxId[] = []
  for (let n = 0; alone.size < PARTITIONS - SHARED || shared.length < SHARING; n += 1) {
    const mailbox: MailboxId = `gmail:b${n}@example.com`
    const partition = keys.partitionOf(mailbox)
    if (Number(partition.slice(1)) < SHARED && shared.length < SHARING) shared.push(mailbox)
    else if (!alone.has(partition)) alone.set(partition, mailbox)
  }
  const { cursor = '', cursorAt = 0 } = (await readMailbox(redis, keys, ANA)) ?? {}
  const own = [keys.threadsOf, ...['t0', 't1'].map(thread => (of: MailboxId) => keys.thread(of, thread))]
  const hashes = await Promise.all(own.map(key => redis.hgetall(key(ANA))))
  const messages = await Promise.all(KNOWN.map(id => redis.get(keys.message(ANA, id))))
  for (const box of [...alone.values(), ...shared]) {
    await connectMailbox(redis, keys, box, cursor, now())
    await redis.hset(keys.mailbox(box), 'cursorAt', cursorAt, 'synced', '1')
    await Promise.all(own.map((key, place) => redis.hset(key(box), hashes[place] ?? {})))
    await Promise.all(KNOWN.map((id, place) => redis.set(keys.message(box, id), messages[place] ?? '', 'EX', 3600)))
  }
  return { alone: [...alone.values()], shared }
}

const met = new Map<string, number>()

const RECORDS = /^(s:analysis-tasks|s:sync-metrics|s:mailbox-events|s:.*:bulk|arrivals)/
const COUNTS =
  /^(calls:|units|addsUp|lost|reread|releases|releasedAt|cause|begins|mergedAt|settledAt|dispatchedAt|m\d|fetched|tasks)/

// Keys at each hop, but each field once, at its first or second hop: all of them would take minutes.
function isLostNow(name: string, field: string | undefined, times: number): boolean {
  if (RECORDS.test(name) || /(t1|m[1-5]|R:2)$/.test(name)) return false
  if (name.startsWith('s:')) return times === 1
  if (name.startsWith('marks')) return name === 'marks:list-ids' && field === undefined && times === 1
  if (field !== undefined)
    return !COUNTS.test(field) && !name.startsWith('threads-of') && times === 1 + (field.length % 2)
  return /^(mailbox|run|window):/.test(name) || times <= 2
}

/** Removes each kind of key, entry and field at this hop, each from a different mailbox. */
async function lose(
  { app: { redis, keys } }: TestPipeline,
  hop: string,
  { alone, shared, runs }: Boxes & { runs: ReadonlyMap<MailboxId, string> },
): Promise<Loss[]> {
  const losses: Loss[] = []
  const [sample = ANA] = alone
  for (const { name, field } of await kindsAt(sample)) {
    const what = `${name} ${field ?? ''}`
    const times = (met.get(what) ?? 0) + 1
    met.set(what, times)
    if (!isLostNow(name, field, times)) continue
    const mailbox = (/\b[MR]\b/.test(name) ? shared : alone).pop()
    if (!mailbox) throw new Error(`no mailbox is left to lose ${what}`)
    const rest = name.replace(/\bM\b/, mailbox).replace(/\bR\b/, runs.get(mailbox) ?? '')
    const key = `${keys.head(keys.partitionOf(mailbox))}${rest}`
    if (field === undefined) await redis.del(key)
    else if (field !== ENTRIES) await redis.hdel(key, field)
    else await redis.xdel(key, ...(await redis.xrange(key, '-', '+')).map(([id]) => id))
    losses.push({ mailbox, what: `${what} after ${hop}` })
  }
  return losses

  async function kindsAt(mailbox: MailboxId): Promise<{ name: string; field?: string }[]> {
    const head = keys.head(keys.partitionOf(mailbox))
    const kinds: { name: string; field?: string }[] = []
    for (const key of (await redis.keys(`${head}*`)).sort()) {
      const name = key
        .slice(head.length)
        .replace(mailbox, 'M')
        .replace(/^(run|window):[^:]+/, '$1:R')
      const type = await redis.type(key)
      const fields = type === 'hash' ? await redis.hkeys(key) : []
      const entries = type === 'stream' && (await redis.xlen(key)) > 0 ? [ENTRIES] : []
      kinds.push({ name }, ...[...fields, ...entries].map(field => ({ name, field })))
    }
    return kinds
  }
}

// Checked rarely, because each check reads every stream of every partition.
async function isEmpty({ redis, keys }: TestPipeline['app'], stages: typeof STAGES): Promise<boolean> {
  await sleep(ASK_AGAIN_MS)
  const backlog = await readBacklog(redis, keys, stages)
  return backlog.every(({ waiting, inWork, delayed }) => (waiting ?? 0) + inWork + delayed === 0)
}

/** Waits until these mailboxes are complete; returns those that are not in time. */
async function untilWhole(pipeline: TestPipeline, losses: readonly Loss[]): Promise<string[]> {
  let left = losses
  const look = async () => {
    const states = await Promise.all(left.map(({ mailbox }) => isWhole(pipeline, mailbox)))
    left = left.filter((_, place) => !states[place])
    await sleep(ASK_AGAIN_MS)
    return left.length === 0
  }
  await until(look, 'all are whole', WITHIN_MS).catch(() => undefined)
  return left.map(({ mailbox, what }) => `${mailbox} ${what}`)
}

/** Returns whether all new mail of a mailbox is in tasks, none is in flight, and its known state exists. */
async function isWhole({ app: { redis, keys } }: TestPipeline, mailbox: MailboxId): Promise<boolean> {
  const partition = keys.partitionOf(mailbox)
  const record = await readMailbox(redis, keys, mailbox)
  if (!record || record.activeRun !== undefined || record.dirty || !record.synced) return false
  const tasks = await Promise.all(
    (['live', 'bulk'] as const).map(lane => redis.xrange(keys.stream(partition, analysisTasks.name, lane), '-', '+')),
  )
  const texts = tasks.flat().flatMap(([, fields]) => fields.filter(text => text.includes(mailbox)))
  const isIn = (id: string) => texts.some(text => text.includes(`"id":"${id}"`))
  if (!['m3', 'm4', 'm5'].every(isIn)) return false
  const runs = await redis.zrange(keys.runs(partition), '0', '-1')
  const owners = await Promise.all(runs.map(run => redis.hget(keys.run(partition, run), 'mailbox')))
  const own = runs.filter((_, place) => owners[place] === mailbox)
  const owed = await Promise.all(own.map(run => redis.exists(keys.runUnsent(partition, run))))
  const indexed = await redis.hlen(keys.threadsOf(mailbox))
  return runs.length > 0 && indexed >= 3 && owed.every(one => one === 0)
}
