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

/** Messages that are put into the cache: a script over the mailbox's key and one for each message. */
const KEEP = /evalsha[\s\S]*:mailbox:[^\r]*\r\n\$\d+\r\n[^\r]*:msg:/i
const redis = await startRedis()
t.teardown(() => redis.stop())
t.beforeEach(() => redis.client.flushall())

t.test('a watch event whose answer was lost may be posted again: it is there twice, its run once', async t => {
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

t.test('a watch event that is posted again while its run is under way: everything is listed once', async t => {
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

t.test('answers to commits are lost, time and again: nothing is lost and nothing done twice', async t => {
  const { proxy, pipeline, mailbox } = await proxied(t)
  mailbox.deliver(120, 24)
  await pipeline.request()
  for (let strikes = 0; strikes < 5; strikes += 1) await proxy.cutAfter(COMMIT).struck
  await pipeline.quiet()
  await isIntact(t, pipeline, { messages: 120, tasks: 24 })
})

t.test('the first work of every stage is lost on its way to it: nothing is lost and nothing done twice', async t => {
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

t.test('connections that are reset in the middle of everything: nothing is lost and nothing done twice', async t => {
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

t.test('connections are cut in the middle of what is written to them: what Redis had half of is done once', async t => {
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

t.test('while Redis is away little is tried, it is told once, and then all goes on', async t => {
  const proxy = await startProxy(redis.port)
  t.teardown(() => proxy.close())
  const { got, live, write, reported } = await startReading(t, redis, { readUrl: proxy.url, leaseMs: 60_000 })
  await write(live, 1)
  await until(() => got.length === 1, 'reading')
  const before = await commandCount(redis)
  proxy.refuse()
  await until(() => proxy.refused() >= 6, 'it keeps trying')
  t.equal(reported.lines.filter(({ text }) => text.startsWith('Redis does not answer')).length, 1)
  const commands = (await commandCount(redis)) - before
  t.ok(commands < 150, `${commands} commands while the reader could not read`)
  await write(live, 3)
  proxy.heal()
  await until(() => got.length === 4, 'reading again')
  await until(() => reported.lines.some(({ text }) => text === 'reading again'), 'told')
})

t.test('idle stages ask for little', async t => {
  const pipeline = await startPipeline(redis, fakeMailbox(), { settings: { LEASE_MS: '60000' } })
  t.teardown(() => pipeline.stop())
  await pipeline.sync()
  const calls = () => commandCount(redis, 'xreadgroup', 'evalsha', 'xautoclaim')
  let before = await calls()
  // Six stages read, and settle to their long blocks.
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

/** A pipeline that reaches Redis through a proxy; its leases are too long to help. */
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
