import t from 'tap'
import { createOrphanSweep } from '../../../pipeline/keeper/orphan-sweep.ts'
import type { MailboxId } from '../../../shared/mailbox.ts'
import { fakeMailbox } from '../../support/fake-mailbox.ts'
import { ANA, startPipeline } from '../../support/pipeline.ts'
import { startRedis } from '../../support/redis.ts'

const redis = await startRedis()
t.teardown(() => redis.stop())

const GONE: MailboxId = 'gmail:gone@example.com'
const DAY_SECONDS = 24 * 3600

t.test('orphaned keys expire within a day, others stay', async t => {
  const mailbox = fakeMailbox()
  const pipeline = await startPipeline(redis, mailbox)
  t.teardown(() => pipeline.stop())
  mailbox.deliver(5, 2)
  const { run } = await pipeline.sync()
  await pipeline.stopStages()
  const { redis: client, keys } = pipeline.app
  const partition = keys.partitionOf(GONE)
  const ours = await ttls()
  const orphans = [
    keys.thread(GONE, 't:1'),
    keys.message(GONE, 'm1'),
    keys.threadsOf(GONE),
    keys.link(GONE, 'l1'),
    keys.folders(GONE),
    keys.run(partition, 'old'),
    keys.runFresh(partition, 'forgotten'),
    keys.window(partition, 'forgotten', 'context:x'),
  ]
  for (const key of orphans) await client.hset(key, 'mailbox', GONE)
  // Links live for months.
  await client.expire(keys.link(GONE, 'l1'), 90 * DAY_SECONDS)
  await client.hset(keys.window(partition, 'older', '1'), 'of', '1')
  await client.expire(keys.window(partition, 'older', '1'), 60)
  await client.hset(keys.runFresh(keys.partitionOf(ANA), run), 'changed:t', '1')
  await client.hset(keys.window(keys.partitionOf(ANA), run, '99'), 'of', '1')

  let now = 1_790_000_000_000
  const reported: object[] = []
  const log = { info: (facts: object) => reported.push(facts) }
  const sweep = createOrphanSweep({ ...pipeline.app, now: () => now }, log)
  await sweep(async () => false)
  t.same(reported, [], 'another keeper does it')
  await sweep(async () => true)
  t.same(reported, [{ keys: orphans.length }])
  for (const key of orphans) t.ok(Math.abs((await client.ttl(key)) - DAY_SECONDS) < 60, key)
  t.ok((await client.ttl(keys.window(partition, 'older', '1'))) <= 60, 'what expires sooner does')
  t.equal(await client.ttl(keys.window(keys.partitionOf(ANA), run, '99')), -1)
  const after = await ttls()
  for (const [key, ttl] of ours) t.ok(Math.abs((after.get(key) ?? 0) - ttl) < 60, key)

  await client.hset(keys.thread(GONE, 'later'), 'id:x', '1')
  await sweep(async () => true)
  t.equal(await client.ttl(keys.thread(GONE, 'later')), -1, 'once a day')
  now += DAY_SECONDS * 1000
  await sweep(async () => true)
  t.same(reported.at(-1), { keys: 1 })

  async function ttls(): Promise<Map<string, number>> {
    const all = await client.keys(`${pipeline.app.config.REDIS_PREFIX}:*`)
    return new Map(await Promise.all(all.map(async (key): Promise<[string, number]> => [key, await client.ttl(key)])))
  }
})

t.test('the sweep stops between steps when the lease is lost', async t => {
  const pipeline = await startPipeline(redis, fakeMailbox(), { only: [] })
  t.teardown(() => pipeline.stop())
  const { redis: client, keys } = pipeline.app
  const threads = Array.from({ length: 3000 }, (_, index) => keys.thread(GONE, `t${index}`))
  await Promise.all(threads.map(key => client.hset(key, 'id:x', '1')))
  let asked = 0
  await createOrphanSweep(pipeline.app, { info: () => undefined })(async () => ++asked < 3)
  const left = await Promise.all(threads.map(key => client.ttl(key)))
  t.ok(left.some(ttl => ttl > 0))
  t.ok(left.some(ttl => ttl === -1))
})
