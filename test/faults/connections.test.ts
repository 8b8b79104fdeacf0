import t, { type Test } from 'tap'
import { isConnectionError, openRedis } from '../../shared/redis/connect.ts'
import { postWatchEvent } from '../../shared/redis/mailboxes.ts'
import type { StageName } from '../../shared/stage.ts'
import { missingIds, watchEvents } from '../../shared/streams.ts'
import { fakeMailbox } from '../support/fake-mailbox.ts'
import { ANA, startPipeline } from '../support/pipeline.ts'
import { startProxy } from '../support/proxy.ts'
import { startRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'
import { COMMIT, commandCount, isIntact, startReading } from './support.ts'

/** Matches a cache write: a script over the mailbox's key and one key a message. */
const KEEP = /evalsha[\s\S]*:mailbox:[^\r]*\r\n\$\d+\r\n[^\r]*:msg:/i
const redis = await startRedis()
t.teardown(() => redis.stop())
t.beforeEach(() => redis.client.flushall())

t.test('a watch event posted twice after a lost answer starts one run', async t => {
  const proxy = await startProxy(redis.port)
  const mailbox = fakeMailbox()
  const pipeline = await startPipeline(redis, mailbox)
  const poster = openRedis(proxy.url)
  t.teardown(async () => {
    poster.disconnect()
    await pipeline.stop()
    await proxy.close()
  })
  mailbox.deliver(30, 6)
  const { keys, now, newRunId } = pipeline.app
  const run = newRunId()
  const post = () => postWatchEvent(poster, keys, ANA, { run, at: now(), body: { cause: 'push' } })
  const lost = proxy.cutAfter(/XADD/i)
  const failure = await post().catch(error => error)
  t.ok(isConnectionError(failure), `the poster is told: ${failure}`)
  t.equal(lost.strikes(), 1)
  const [first] = await pipeline.quiet()
  t.match(first, { run, listed: 30, tasks: 6 })
  await post()
  const runs = await pipeline.quiet()
  t.equal((await pipeline.read(watchEvents)).filter(({ id }) => id === run).length, 2, 'it was delivered twice')
  t.equal(runs.length, 1)
  t.match(runs[0], { listed: 30, fates: { fetched: 30 }, threads: 6, tasks: 6, addsUp: true })
})

t.test('a watch event repeated during its run lists everything once', async t => {
  const mailbox = fakeMailbox(20)
  const pipeline = await startPipeline(redis, mailbox)
  t.teardown(() => pipeline.stop())
  mailbox.deliver(120, 8)
  const { keys, now, newRunId, redis: client } = pipeline.app
  const run = newRunId()
  const post = () => postWatchEvent(client, keys, ANA, { run, at: now(), body: { cause: 'push' } })
  let pages = 0
  mailbox.before = async kind => {
    if (kind === 'changes' && ++pages === 4) await post()
  }
  await post()
  const runs = await pipeline.quiet()
  t.equal(runs.length, 1)
  t.match(runs[0], { listed: 120, fates: { fetched: 120 }, threads: 8, tasks: 8, addsUp: true })
})

t.test('repeatedly lost commit answers lose and double nothing', async t => {
  const { proxy, pipeline, mailbox } = await proxied(t)
  mailbox.deliver(120, 24)
  await pipeline.request()
  for (let strikes = 0; strikes < 5; strikes += 1) await proxy.cutAfter(COMMIT).struck
  await pipeline.quiet()
  await isIntact(t, pipeline, { messages: 120, tasks: 24 })
})

t.test("losing each stage's first read answer loses and doubles nothing", async t => {
  const { proxy, pipeline, mailbox } = await proxied(t, { only: [] })
  mailbox.deliver(120, 24)
  const streams = ['watch-events', 'message-ids', 'missing-ids', 'fetched-messages', 'merged', 'threads']
  const moments = streams.map(name =>
    proxy.cutAfter(new RegExp(`xreadgroup[\\s\\S]*block[\\s\\S]*:s:${name}\\b`, 'i'), { leastReplyBytes: 150 }),
  )
  pipeline.start()
  await pipeline.request()
  await Promise.all(moments.map(({ struck }) => struck))
  await pipeline.quiet()
  await isIntact(t, pipeline, { messages: 120, tasks: 24 })
})

t.test('reset connections lose and double nothing', async t => {
  const { proxy, pipeline, mailbox } = await proxied(t)
  mailbox.deliver(300, 60)
  let resets = 0
  mailbox.before = () => {
    if (resets >= 6) return
    resets += 1
    proxy.reset()
  }
  await pipeline.request().catch(() => pipeline.request())
  await until(() => resets >= 6, 'connections were reset')
  await pipeline.quiet()
  await isIntact(t, pipeline, { messages: 300, tasks: 60 })
})

t.test('connections cut in the middle of a command lose and double nothing', async t => {
  const { proxy, pipeline, mailbox } = await proxied(t)
  mailbox.deliver(120, 24)
  const half = [KEEP, COMMIT, KEEP, COMMIT].map(within => proxy.cutWithin(within))
  await pipeline.request()
  await Promise.all(half.map(({ struck }) => struck))
  await pipeline.quiet()
  await isIntact(t, pipeline, { messages: 120, tasks: 24 })
  const attempts = (await pipeline.read(missingIds)).map(({ attempt }) => attempt)
  t.notOk(
    attempts.some(attempt => attempt > 0),
    "which is nobody's failure",
  )
})

t.test('an outage of Redis causes few retries and one log line', async t => {
  const proxy = await startProxy(redis.port)
  t.teardown(() => proxy.close())
  const { got, live, write, reported } = await startReading(t, redis, { readUrl: proxy.url, leaseMs: 60_000 })
  await write(live, 1)
  await until(() => got.length === 1, 'reading')
  const before = await commandCount(redis)
  proxy.refuse()
  await until(() => proxy.refused() >= 6, 'it keeps trying')
  t.equal(reported.lines.filter(({ text }) => text.startsWith('Redis unavailable')).length, 1)
  const commands = (await commandCount(redis)) - before
  t.ok(commands < 150, `${commands} commands while the reader could not read`)
  await write(live, 3)
  proxy.heal()
  await until(() => got.length === 4, 'reading again')
  await until(() => reported.lines.some(({ text }) => text === 'Redis available again; reading'), 'logged')
})

t.test('idle stages send few commands', async t => {
  const pipeline = await startPipeline(redis, fakeMailbox(), { settings: { LEASE_MS: '60000' } })
  t.teardown(() => pipeline.stop())
  await pipeline.sync()
  const calls = () => commandCount(redis, 'xreadgroup', 'evalsha', 'xautoclaim')
  let before = await calls()
  // The six stages first settle into their long blocking reads.
  await until(async () => {
    const now = await calls()
    const still = now === before
    before = now
    return still
  }, 'the stages are blocked')
  const begun = performance.now()
  await until(() => performance.now() - begun > 1500, 'a while')
  t.ok((await calls()) - before <= 6, 'a moment of idleness costs next to nothing')
})

/** Starts a pipeline that reaches Redis through a proxy; its leases are too long to expire in the test. */
async function proxied(t: Test, options: { only?: StageName[] } = {}) {
  const proxy = await startProxy(redis.port)
  const mailbox = fakeMailbox(40)
  const settings = { LEASE_MS: '60000' }
  const pipeline = await startPipeline({ ...redis, url: proxy.url }, mailbox, { ...options, settings })
  t.teardown(async () => {
    await pipeline.stop()
    await proxy.close()
  })
  return { proxy, pipeline, mailbox }
}
