import t, { type Test } from 'tap'
import { MailError } from '../../shared/error.ts'
import { analysisTasks, fetchedMessages, missingIds, type Stream } from '../../shared/streams.ts'
import { fakeMailbox } from '../support/fake-mailbox.ts'
import { startPipeline, type TestPipeline } from '../support/pipeline.ts'
import { startRedis } from '../support/redis.ts'
import { balanceOf } from './balance.ts'
import { startRedriver } from './redriver.ts'
import { doubles } from './support.ts'

const redis = await startRedis()
t.teardown(() => redis.stop())

t.test('concurrent redrives put each dead letter back once', async t => {
  const mailbox = fakeMailbox()
  const pipeline = await startPipeline(redis, mailbox)
  t.teardown(() => pipeline.stop())
  mailbox.deliver(60, 12)
  const poison = new Set(Array.from({ length: 25 }, (_, index) => `m${index}`))
  mailbox.before = (kind, wanted) => {
    if (kind === 'fetch' && wanted.some(({ id }) => poison.has(id))) throw new MailError('rejected', 'no such format')
  }
  t.match(await pipeline.sync(), { listed: 60, fates: { fetched: 35, dead: 25 }, addsUp: true })

  poison.clear()
  poison.add('m3')
  const redrivers = await Promise.all([redriver(t, pipeline), redriver(t, pipeline)])
  const [one = 0, other = 0] = await Promise.all(redrivers.map(({ go }) => go()))
  t.equal(one + other, 25, `${one} and ${other} of 25`)
  t.match(await pipeline.quiet(), [{ listed: 60, fates: { fetched: 59, dead: 1 }, addsUp: true, settled: true }])
  t.equal((await pipeline.dead('batch-fetch')).length, 1)

  poison.clear()
  t.equal(await (await redriver(t, pipeline)).go(), 1, 'what failed again can be redriven again')
  t.match(await pipeline.quiet(), [{ listed: 60, fates: { fetched: 60, dead: 0 }, addsUp: true, settled: true }])
  t.same(await pipeline.dead('batch-fetch'), [])
  t.same((await balanceOf(pipeline)).astray, [])
  for (const stream of [missingIds, fetchedMessages, analysisTasks] as Stream[])
    t.same(doubles((await pipeline.read(stream)).map(({ id }) => id)), [], `nothing is twice in ${stream.name}`)
  const tasks = await pipeline.read(analysisTasks)
  t.same(doubles(tasks.map(({ body }) => body.task)), [], 'no version twice')
  const newest = new Map(tasks.map(({ body }) => [body.thread, body.messages.length]))
  t.same([...newest.values()], Array(12).fill(5), 'every thread has gone out whole')
})

function redriver(t: Test, { app }: TestPipeline) {
  const { REDIS_PREFIX, PARTITIONS } = app.config
  return startRedriver(t, { settings: { REDIS_PREFIX, PARTITIONS: `${PARTITIONS}` }, url: redis.url })
}
