import t from 'tap'
import { fakeMailbox } from '../support/fake-mailbox.ts'
import { startPipeline } from '../support/pipeline.ts'
import { startProxy } from '../support/proxy.ts'
import { startRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'
import { COMMIT, doubles, isIntact, startReading } from './support.ts'

const redis = await startRedis()
t.teardown(() => redis.stop())
t.beforeEach(() => redis.client.flushall())

t.test('a silent reading connection is replaced, and lost entries are read again', async t => {
  const proxy = await startProxy(redis.port)
  t.teardown(() => proxy.close())
  const { got, live, write } = await startReading(t, redis, { readUrl: proxy.url, leaseMs: 700 })
  await write(live, 1)
  await until(() => got.length === 1, 'reading')
  proxy.blackHole('replies')
  await write(live, 5)
  await until(() => got.length === 6, 'what the silent connection swallowed', 10_000)
  proxy.blackHole('both')
  await write(live, 5)
  await until(() => got.length === 11, 'reading again', 10_000)
  t.same(doubles(got.map(({ entryId }) => entryId)), [])
})

t.test('a reading connection that goes silent under load is replaced too', async t => {
  const proxy = await startProxy(redis.port)
  t.teardown(() => proxy.close())
  const silence = proxy.holdBefore(/^(?![\s\S]*BLOCK)[\s\S]*xreadgroup/i)
  const reading = await startReading(t, redis, { readUrl: proxy.url, leaseMs: 60_000, capacity: 20 })
  await reading.write(reading.live, 60)
  await silence.struck
  const emptier = setInterval(() => void reading.finish(), 20)
  t.teardown(() => clearInterval(emptier))
  await until(() => reading.got.length === 60, 'all is read', 10_000)
})

t.test('a silent writing connection is replaced, and its commit happens once', async t => {
  const proxy = await startProxy(redis.port)
  const mailbox = fakeMailbox()
  const settings = { LEASE_MS: '60000' }
  const pipeline = await startPipeline({ ...redis, url: proxy.url }, mailbox, { settings })
  t.teardown(async () => {
    await pipeline.stop()
    await proxy.close()
  })
  mailbox.deliver(40, 8)
  const { struck } = proxy.holdBefore(COMMIT)
  await pipeline.request()
  await struck
  await pipeline.quiet()
  await isIntact(t, pipeline, { messages: 40, tasks: 8 })
})
