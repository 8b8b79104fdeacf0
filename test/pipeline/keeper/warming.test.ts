import t, { type Test } from 'tap'
import { openMailboxes } from '../../../pipeline/accounts/mailboxes.ts'
import { openQuotas, type Quotas } from '../../../pipeline/accounts/quotas.ts'
import { createLog } from '../../../pipeline/base/log.ts'
import { status } from '../../../pipeline/commands/status.ts'
import { keeperOf } from '../../../pipeline/keeper/duties.ts'
import { createWarming } from '../../../pipeline/keeper/warming.ts'
import { createGuards } from '../../../pipeline/runtime/guards.ts'
import { readConfig } from '../../../shared/config.ts'
import { MailError } from '../../../shared/error.ts'
import type { Mailbox } from '../../../shared/mailbox.ts'
import { removeMailbox } from '../../../shared/redis/remove.ts'
import { startGmail } from '../../../sim/gmail.ts'
import { fakeMailbox } from '../../support/fake-mailbox.ts'
import { logTo } from '../../support/gateway.ts'
import { testMail, testMailbox } from '../../support/mail.ts'
import { ANA, startPipeline, type TestPipeline } from '../../support/pipeline.ts'
import { startRedis } from '../../support/redis.ts'
import { contextFor, hidden } from '../../support/surroundings.ts'
import { until } from '../../support/until.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const TTL_SECONDS = 3600
const HOT = ['m0', 'm2', 'm4']
const COLD = ['m1', 'm3']
const GONE_SOON_MS = 3000
const redis = await startRedis()
t.teardown(() => redis.stop())

const ours = async () => true

t.test('mail of active threads outlives its TTL without provider calls', async t => {
  const { pipeline, mailbox, warm, held } = await open(t)
  for (const id of [...HOT, ...COLD]) await redis.client.pexpire(key(pipeline, id), GONE_SOON_MS)
  const calls = [...mailbox.calls]
  await warm()
  await until(async () => (await held(COLD)).length === 0, 'the rest is gone')
  t.same(await held(HOT), HOT)
  for (const id of HOT) t.ok((await redis.client.ttl(key(pipeline, id))) > TTL_SECONDS - 60)
  t.same(mailbox.calls, calls)
})

t.test('a thread emitted again within a day stays cached for a day', async t => {
  const { pipeline, mailbox, warm, clock, held } = await open(t)
  const { client, keys } = { client: redis.client, keys: pipeline.app.keys }
  t.same(await client.zrange(keys.warm(ANA), '0', '-1'), ['t0'], 'not one that was merely new')
  const yesterday = Date.now() - 25 * HOUR_MS
  await client.hset(keys.thread(ANA, 't1'), 'dispatchedAt', yesterday)
  mailbox.deliver(1, 2)
  await pipeline.sync()
  t.same(await client.zrange(keys.warm(ANA), '0', '-1'), ['t0'], 'nor one that slept for longer')

  await client.del(keys.warm(ANA))
  for (let index = 0; index < 200; index += 1) await client.zadd(keys.warm(ANA), yesterday + index, `old${index}`)
  mailbox.deliver(1, 2)
  await pipeline.sync()
  t.equal(await client.zcard(keys.warm(ANA)), 200, 'the newest are remembered')
  t.same(await client.zrange(keys.warm(ANA), '-1', '-1'), ['t0'])
  t.ok((await client.ttl(keys.warm(ANA))) > 23 * 3600)

  await client.del(key(pipeline, 'm0'))
  clock.ms += 25 * HOUR_MS
  await warm()
  t.same(await held(['m0']), [], 'after a day it is not renewed')
  await removeMailbox(client, keys, ANA)
  t.equal(await client.exists(keys.warm(ANA)), 0)
})

t.test('evicted mail is fetched round by round within its quota share', async t => {
  const sim = await startGmail({ profile: 'instant', mailboxes: [testMailbox('ana@example.com', 50, 10)] })
  t.teardown(() => sim.close())
  // One percent of this is a hundred units a minute: two whole threads.
  const settings = { WARM_SHARE: '0.01', GMAIL_USER_UNITS: '10000' }
  const gmail = openMailboxes(readConfig(settings), sim.url)(ANA)
  const pipeline = await startPipeline(redis, gmail, { settings })
  t.teardown(() => pipeline.stop())
  await pipeline.sync()
  for (let index = 50; index < 60; index += 1) sim.deliver('ana@example.com', testMail(index, 10))
  await pipeline.sync()
  await pipeline.stopStages()
  const messages = await redis.client.keys(key(pipeline, '*'))
  t.equal(messages.length, 60)
  await redis.client.del(...messages)

  const { warm, clock } = warmingOf(pipeline, gmail)
  let asked = 0
  const reserve = async () => {
    asked += 1
    return { permit: 'wait', waitMs: 1 } as const
  }
  const waiting = warmingOf(pipeline, gmail, () => ({ reserve }))
  sim.resetCalls()
  await waiting.warm()
  t.same([asked, sim.calls().total], [1, 0], 'where it would have to wait, however shortly, it has no turn')
  for (let minute = 1; minute <= 5; minute += 1) {
    const before = sim.quota.counts().units
    await warm()
    await warm()
    t.equal(sim.quota.counts().units - before, 80, `in minute ${minute}, however often it looks`)
    t.equal(await redis.client.exists(...messages), minute * 12)
    clock.ms += MINUTE_MS
  }
  sim.resetCalls()
  await warm()
  t.equal(sim.calls().total, 0, 'all is warm')
})

t.test('warming neither fetches nor stores mail during a run', async t => {
  const { pipeline, mailbox, warm, held } = await open(t)
  const record = pipeline.app.keys.mailbox(ANA)
  await redis.client.del(key(pipeline, 'm0'))
  await redis.client.hset(record, 'activeRun', 'live')
  const calls = [...mailbox.calls]
  await warm()
  t.same(mailbox.calls, calls)
  await redis.client.hdel(record, 'activeRun')

  const cursor = (await redis.client.hget(record, 'cursor')) ?? ''
  for (const change of [
    ['activeRun', 'live'],
    ['cursor', 'history:99:99'],
  ] as const) {
    mailbox.before = async () => void (await redis.client.hset(record, ...change))
    await warm()
    t.equal(mailbox.calls.at(-1), 'fetch 1')
    t.same(await held(['m0']), [], `${change[0]} has changed meanwhile`)
    await redis.client.hdel(record, 'activeRun')
    await redis.client.hset(record, 'cursor', cursor)
  }
  mailbox.before = () => undefined
  await warm()
  t.same(await held(['m0']), ['m0'])
})

t.test('failed warming is retried next round, paused mailboxes are skipped', async t => {
  const { pipeline, mailbox, warm, held, reported } = await open(t)
  await redis.client.del(key(pipeline, 'm0'))
  await redis.client.hset(pipeline.app.keys.mailbox(ANA), 'pausedAt', '1')
  const calls = mailbox.calls.length
  await warm()
  t.equal(mailbox.calls.length, calls)
  await redis.client.hdel(pipeline.app.keys.mailbox(ANA), 'pausedAt')
  mailbox.before = () => {
    throw new MailError('unavailable', 'away')
  }
  const { clock: _, ...again } = warmingOf(pipeline, mailbox, undefined, reported)
  await again.warm()
  t.match(reported, [/^debug .*away.*retrying next round/, /^debug .*units/])
  mailbox.before = () => undefined
  await again.warm()
  t.same(await held(['m0']), ['m0'])
})

t.test('a keeper warms only with a WARM_SHARE', async t => {
  const { pipeline, mailbox, held } = await open(t)
  const { app } = pipeline
  const log = createLog(app.config, 'keeper', hidden)
  await redis.client.del(key(pipeline, 'm0'))
  const orphan = app.keys.thread('gmail:nobody@example.com', 't')
  await redis.client.hset(orphan, 'id:x', '1')
  await redis.client.config('RESETSTAT')
  const off = keeperOf({ ...app, config: { ...app.config, WARM_SHARE: 0 } }, log, () => mailbox)
  // The next duty runs after warming.
  await until(async () => (await redis.client.ttl(orphan)) > 0, 'its round is made')
  await off.stop()
  t.same(await held(['m0']), [])
  t.notMatch(await redis.client.info('commandstats'), /zrevrangebyscore/)

  const on = keeperOf(app, log, () => mailbox)
  await until(async () => (await held(['m0'])).length === 1, 'it is cached again')
  await on.stop()
})

t.test('runs count needed and evicted known mail, and status shows the share', async t => {
  const { pipeline, mailbox, first, second } = await open(t)
  t.match(
    [first, second],
    [
      { reread: 0, lost: 0 },
      { reread: 2, lost: 0, context: 0 },
    ],
  )
  await redis.client.del(key(pipeline, 'm0'))
  mailbox.deliver(2, 2)
  t.match(await pipeline.sync(), { reread: 5, lost: 1, context: 1 }, 'once, though its thread had to wait for it')
  const share = JSON.parse(await shown(pipeline, true)).knownMail
  t.same(share, { reread: 7, lost: 1, share: 6 / 7 })
  t.match(await shown(pipeline), 'Known messages still cached when a thread needed them: 85 % (6 of 7 messages')
  const fresh = await startPipeline(redis, fakeMailbox())
  t.teardown(() => fresh.stop())
  t.match(await shown(fresh), 'when a thread needed them: unknown')
})

function key({ app }: TestPipeline, id: string): string {
  return app.keys.message(ANA, id)
}

/** Creates two threads, one of which has changed since its first release. */
async function open(t: Test) {
  const mailbox = fakeMailbox()
  const pipeline = await startPipeline(redis, mailbox, {
    settings: { WARM_SHARE: '0.1', KEEPER_INTERVAL: '1', CACHE_MESSAGE_TTL: `${TTL_SECONDS}` },
  })
  t.teardown(() => pipeline.stop())
  mailbox.deliver(4, 2)
  const first = await pipeline.sync()
  mailbox.deliver(1, 2)
  const second = await pipeline.sync()
  const held = async (ids: readonly string[]) => {
    const found = await Promise.all(ids.map(id => redis.client.exists(key(pipeline, id))))
    return ids.filter((_, place) => found[place] === 1)
  }
  return { pipeline, mailbox, first, second, held, ...warmingOf(pipeline, mailbox), reported: [] as string[] }
}

function warmingOf(pipeline: TestPipeline, mailbox: Mailbox, quotas?: Quotas, reported: string[] = []) {
  const clock = { ms: Date.now() }
  const app = { ...pipeline.app, now: () => clock.ms }
  const duty = createWarming(app, {
    mailboxes: () => mailbox,
    guardOf: createGuards(app, createLog(app.config, 'test', hidden)),
    quotas: quotas ?? openQuotas(app),
    roundMs: MINUTE_MS,
    log: logTo(reported),
  })
  return { clock, warm: () => duty(ours) }
}

async function shown({ app: { config } }: TestPipeline, json = false): Promise<string> {
  const printed: string[] = []
  const { signal } = new AbortController()
  const print = (text: string) => void printed.push(text)
  await status(contextFor({ config: { ...config, REDIS_URL: redis.url }, json, signal, print }))
  return printed.join('\n')
}
