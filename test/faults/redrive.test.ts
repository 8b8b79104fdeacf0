import t from 'tap'
import { MailError } from '../../shared/error.ts'
import { analysisTasks, fetchedMessages, missingIds, type Stream } from '../../shared/streams.ts'
import { fakeMailbox } from '../support/fake-mailbox.ts'
import { startPipeline, type TestPipeline } from '../support/pipeline.ts'
import { lastJson, run } from '../support/processes.ts'
import { startRedis } from '../support/redis.ts'
import { balanceOf } from './balance.ts'
import { doubles } from './support.ts'

const redis = await startRedis()
t.teardown(() => redis.stop())

t.test(
  'two processes redrive everything at once, and one entry fails again: each is put back once, and every run adds up',
  async t => {
    const mailbox = fakeMailbox()
    const pipeline = await startPipeline(redis, mailbox)
    t.teardown(() => pipeline.stop())
    mailbox.deliver(60, 12)
    let poison = new Set(Array.from({ length: 25 }, (_, index) => `m${index}`))
    let meanwhile: Promise<unknown> = Promise.resolve()
    mailbox.before = async (kind, wanted) => {
      if (kind !== 'fetch' || !wanted.some(({ id }) => poison.has(id))) return
      // It must not be dead again before both have looked.
      await meanwhile
      throw new MailError('rejected', 'no such format')
    }
    t.match(await pipeline.sync(), { listed: 60, fates: { fetched: 35, dead: 25 }, addsUp: true })

    poison = new Set(['m3'])
    const redrives = Promise.all([redriveAll(pipeline), redriveAll(pipeline)])
    meanwhile = redrives
    const both = await redrives
    t.equal(
      both.reduce((sum, count) => sum + count, 0),
      25,
      `${both.join(' and ')} of 25`,
    )
    t.match(await pipeline.quiet(), [{ listed: 60, fates: { fetched: 59, dead: 1 }, addsUp: true, settled: true }])
    t.equal((await pipeline.dead('batch-fetch')).length, 1)

    poison.clear()
    t.equal(await redriveAll(pipeline), 1)
    t.match(await pipeline.quiet(), [{ listed: 60, fates: { fetched: 60, dead: 0 }, addsUp: true, settled: true }])
    t.same(await pipeline.dead('batch-fetch'), [])
    t.same((await balanceOf(pipeline)).astray, [])
    for (const stream of [missingIds, fetchedMessages, analysisTasks] as Stream[])
      t.same(doubles((await pipeline.read(stream)).map(({ id }) => id)), [], `nothing is twice in ${stream.name}`)
    const tasks = await pipeline.read(analysisTasks)
    t.same(doubles(tasks.map(({ body }) => body.task)), [], 'no version twice')
    const newest = new Map(tasks.map(({ body }) => [body.thread, body.messages.length]))
    t.same([...newest.values()], Array(12).fill(5), 'every thread has gone out whole')
  },
)

/** Redrives all dead letters in a process of its own; how many it put back. */
async function redriveAll({ office }: TestPipeline): Promise<number> {
  const { REDIS_PREFIX, PARTITIONS } = office.config
  const environment = { REDIS_URL: redis.url, REDIS_PREFIX, PARTITIONS: `${PARTITIONS}` }
  const { redriven } = lastJson(await run(['dead', 'redrive', '--all', '--json'], environment))
  return Number(redriven)
}
