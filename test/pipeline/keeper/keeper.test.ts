import t, { type Test } from 'tap'
import { type AppContext, openApp } from '../../../pipeline/base/app.ts'
import { startJsRedis } from '../../../pipeline/embedded-redis/js-redis.ts'
import { type Keeper, type KeeperOptions, startKeeper } from '../../../pipeline/keeper/keeper.ts'
import { readConfig } from '../../../shared/config.ts'
import { connectMailbox } from '../../../shared/redis/mailboxes.ts'
import { missingIds } from '../../../shared/streams.ts'
import { fakeMailbox } from '../../support/fake-mailbox.ts'
import { ANA, startPipeline } from '../../support/pipeline.ts'
import { startRedis } from '../../support/redis.ts'
import { until } from '../../support/until.ts'

const HOUR_MS = 3_600_000
const INTERVAL_MS = 30
const LEASE = 'test:keeper'
const server = await startRedis('--stream-node-max-entries', '1')
t.teardown(() => server.stop())
t.beforeEach(() => server.client.flushall())

interface Reported {
  level: string
  facts: Record<string, unknown>
  text: string
}

/** A keeper with its own connection, and its log. */
interface TestKeeper extends Keeper {
  app: AppContext
  reported: Reported[]
  texts: () => string[]
  /** How often its clock was read; every round reads it. */
  rounds: () => number
}

// On a busy machine a round may come late, and a lease lasts three of them.
const SLOW = { intervalMs: 400 }

t.test('every round trims and reaps all partitions', async t => {
  const { app } = await keep(t, { idleMs: 0 })
  for (const partition of app.keys.partitions) {
    const stream = app.keys.stream(partition, 'merged', 'live')
    await finishedEntry(stream, 'thread-group')
    await until(async () => (await server.client.xlen(stream)) === 0, `${partition} is trimmed`)
    await until(
      async () => ((await server.client.xinfo('CONSUMERS', stream, 'thread-group')) as unknown[]).length === 0,
      `${partition} is rid of its dead consumer`,
    )
  }
})

t.test('one of two keepers is active, the other takes over at a stop', async t => {
  const first = await keep(t, SLOW)
  await until(() => first.texts().includes('this keeper is active'), 'the first is at work')
  const second = await keep(t, SLOW)
  await until(() => second.rounds() > 5, 'the second has asked a few times')
  t.same(second.texts(), [], 'it waits')
  await first.stop()
  await until(() => second.texts().includes('this keeper is active'), 'the second is at work')
  t.same(first.texts(), ['this keeper is active'])
})

t.test('the other keeper takes over after a crash', async t => {
  const first = await keep(t, SLOW)
  await until(() => first.texts().includes('this keeper is active'), 'the first is at work')
  const second = await keep(t, SLOW)
  first.app.close()
  await until(() => second.texts().includes('this keeper is active'), 'the second is at work')
})

t.test('a keeper that lost its lease goes on standby', async t => {
  const { reported, texts, rounds } = await keep(t)
  await until(() => texts().includes('this keeper is active'), 'it is active')
  await server.client.set(LEASE, 'another')
  await until(() => texts().includes('another keeper has taken over'), 'it steps back')
  const before = rounds()
  await until(() => rounds() > before + 3, 'it asks again')
  t.equal(await server.client.get(LEASE), 'another')
  t.equal(reported.length, 2)
})

t.test('a group that blocks trimming is logged once a day and kept', async t => {
  let clock = Date.now()
  const keeper = await keep(t, { now: () => clock })
  const stream = keeper.app.keys.stream('p00', 'threads', 'live')
  await finishedEntry(stream, 'ai-dispatch')
  await server.client.xgroup('CREATE', stream, 'forgotten', '0')
  const warned = () => keeper.reported.filter(({ level }) => level === 'warn')
  await finishedEntry(stream, 'ai-dispatch')
  await until(() => warned().length > 0, 'it is logged')
  const before = keeper.rounds()
  await until(() => keeper.rounds() > before + 5, 'more rounds are made')
  t.match(warned(), [
    { facts: { stream, group: 'forgotten', hours: 5 }, text: /XGROUP DESTROY test:\{p00\}:s:threads forgotten/ },
  ])
  t.equal(warned().length, 1)
  clock += 25 * HOUR_MS
  await until(() => warned().length === 2, 'it is logged again the next day')
  t.match(await server.client.xinfo('GROUPS', stream), { length: 2 })
})

t.test('a failure of the keeper and its end are logged once', async t => {
  const keeper = await keep(t)
  await until(() => keeper.rounds() > 1, 'it is active')
  await server.client.multi().del(LEASE).lpush(LEASE, 'no lease').exec()
  await until(() => keeper.texts().some(text => text.includes('keeper round failed')), 'it fails')
  const before = keeper.reported.length
  await until(() => askedAgain(keeper), 'it keeps retrying')
  t.equal(keeper.reported.length, before)
  await server.client.del(LEASE)
  await until(() => keeper.texts().at(-1) === 'keeper works again', 'it works again')
  t.match(keeper.reported.at(-1)?.facts, { outageMs: Number })
})

t.test('a failure in one partition does not block the others', async t => {
  const keeper = await keep(t)
  const { keys, redis, now } = keeper.app
  const other = keys.partitions.find(partition => partition !== keys.partitionOf(ANA)) ?? 'p00'
  await server.client.set(keys.runs(other), 'no index')
  await connectMailbox(redis, keys, ANA, 'here', now())
  await until(() => keeper.reported.some(({ facts }) => facts.mailbox === ANA), 'the mailbox of the other is listed')
  t.match(
    keeper.reported.filter(({ text }) => /keeper round failed/.test(text)),
    [{ facts: { error: /WRONGTYPE/ } }],
  )
})

t.test('a full Redis is still trimmed', async t => {
  const stream = 'test:{p01}:s:merged'
  await finishedEntry(stream, 'thread-group')
  const { app } = await openIn(t)
  await server.client.config('SET', 'maxmemory', '1')
  t.teardown(() => server.client.config('SET', 'maxmemory', '0'))
  const reported: Reported[] = []
  const keeper = startKeeper(app, { log: logTo(reported), intervalMs: INTERVAL_MS, retentionMs: HOUR_MS })
  await until(async () => (await server.client.xlen(stream)) === 0, 'it is trimmed')
  await keeper.stop()
})

t.test('a stalled run is logged with its missing fates and replaced', async t => {
  const mailbox = fakeMailbox()
  mailbox.deliver(3)
  const pipeline = await startPipeline(server, mailbox, { only: ['list-ids', 'cache-filter'] })
  t.teardown(() => pipeline.stop())
  const run = await pipeline.request()
  await until(async () => (await pipeline.read(missingIds)).length === 3, 'the ids are listed')
  await pipeline.stopStages()
  const { keys } = pipeline.app
  const reported: Reported[] = []
  await server.client.del(keys.stream(keys.partitionOf(ANA), missingIds.name, 'bulk'))
  const keeper = startKeeper(pipeline.app, { log: logTo(reported), intervalMs: INTERVAL_MS })
  t.teardown(() => keeper.stop())
  const warnings = () => reported.filter(({ level }) => level === 'warn')
  await until(() => warnings().length > 0, 'it is logged')
  t.match(warnings(), [
    { facts: { run, mailbox: ANA, missing: ['window 1 lacks 3 of 3 fates'] }, text: /a run was stalled/ },
  ])
})

t.test('the keeper stops on abort, quickly even during an outage', async t => {
  const stopping = new AbortController()
  const keeper = await keep(t, { signal: stopping.signal })
  await until(async () => (await server.client.exists(LEASE)) === 1, 'it is active')
  stopping.abort()
  await until(async () => (await server.client.exists(LEASE)) === 0, 'it gave its lease back')
  keeper.app.close()
  await keeper.stop()
})

t.test('a stop does not wait for a silent Redis', async t => {
  const keeper = await keep(t)
  await until(() => keeper.rounds() > 1, 'it is active')
  await server.client.client('PAUSE', 3500, 'ALL')
  const since = Date.now()
  await keeper.stop()
  t.ok(Date.now() - since < 3000)
})

t.test('the keeper works on the JavaScript Redis', async t => {
  const js = await startJsRedis()
  t.teardown(() => js.close())
  const { reported, rounds } = await keep(t, {}, js.url)
  await until(() => rounds() > 3, 'it makes its rounds')
  t.match(reported, [{ text: 'this keeper is active' }])
  t.equal(reported.length, 1)
})

async function keep(
  t: Test,
  options: Partial<KeeperOptions> & { now?: () => number } = {},
  url = server.url,
): Promise<TestKeeper> {
  const { now = Date.now, ...rest } = options
  const { app } = await openIn(t, url)
  const reported: Reported[] = []
  let asked = 0
  const counting = () => {
    asked += 1
    return now()
  }
  const log = logTo(reported)
  const keeper = startKeeper({ ...app, now: counting }, { log, intervalMs: INTERVAL_MS, retentionMs: HOUR_MS, ...rest })
  t.teardown(() => keeper.stop())
  return { ...keeper, app, reported, texts: () => reported.map(({ text }) => text), rounds: () => asked }
}

async function openIn(t: Test, url = server.url) {
  const config = readConfig({ REDIS_PREFIX: 'test', PARTITIONS: '2' })
  const app = await openApp(config, url)
  t.teardown(() => app.close())
  return { app }
}

function logTo(reported: Reported[]): KeeperOptions['log'] {
  const at =
    (level: string) =>
    (...words: unknown[]) =>
      void reported.push({
        level,
        text: String(words.at(-1)),
        facts: (words.length > 1 ? words[0] : {}) as Reported['facts'],
      })
  return { debug: () => undefined, info: at('info'), warn: at('warn'), error: at('error') }
}

/** Waits until the keeper makes more rounds. */
async function askedAgain({ rounds }: TestKeeper): Promise<boolean> {
  const before = rounds()
  await until(() => rounds() > before + 3, 'more rounds')
  return true
}

let finished = 0
/** Writes a five-hour-old entry that a consumer has read and acknowledged. */
async function finishedEntry(stream: string, group: string): Promise<void> {
  finished += 1
  const id = `${Date.now() - 5 * HOUR_MS}-${finished}`
  await server.client.xgroup('CREATE', stream, group, '0', 'MKSTREAM').catch(() => undefined)
  await server.client.xadd(stream, id, 'envelope', '')
  await server.client.call('XREADGROUP', 'GROUP', group, 'dead', 'STREAMS', stream, '>')
  await server.client.xack(stream, group, id)
}
