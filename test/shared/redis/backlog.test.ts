import t from 'tap'
import { LANES } from '../../../shared/envelope.ts'
import { readBacklog } from '../../../shared/redis/backlog.ts'
import { connectRedis } from '../../../shared/redis/connect.ts'
import { createKeys } from '../../../shared/redis/keys.ts'
import { createQueue } from '../../../shared/redis/queue.ts'
import { merge } from '../../../stages/merge.ts'
import { startRedis } from '../../support/redis.ts'
import { until } from '../../support/until.ts'

const keys = createKeys('test', 1)
const [partition = 'p00'] = keys.partitions
const live = keys.stream(partition, 'cached-messages', 'live')

t.test('read entries do not count as waiting, even after a restart', async t => {
  const server = await startRedis('--appendonly', 'yes', '--appendfsync', 'always')
  t.teardown(() => server.stop())
  const first = await connectRedis(server.url)
  const queue = queueOf(first)
  await queue.createGroups()
  await writeAndRead()
  await server.client.bgrewriteaof()
  await until(async () => (await server.client.info('persistence')).includes('aof_rewrite_in_progress:0'), 'rewritten')
  await writeAndRead()
  first.disconnect()
  await server.restart()
  t.equal(await lag(), 5, 'the premise: Redis counts from its snapshot')
  t.equal(await waiting(), 0)

  const second = await connectRedis(server.url)
  t.teardown(() => second.disconnect())
  const after = queueOf(second)
  while ((await after.reclaim(0, 100, LANES)).more);
  t.equal(await lag(), 0, 'corrected when nothing is left')
  await server.client.xadd(live, '*', 'envelope', 'new')
  t.equal(await waiting(), 1)

  async function writeAndRead(): Promise<void> {
    for (let count = 0; count < 5; count++) await server.client.xadd(live, '*', 'envelope', `${count}`)
    const entries = await queue.read(first, [live], 10, undefined)
    await server.client.xack(live, 'merge', ...entries.map(({ entryId }) => entryId))
  }

  async function lag(): Promise<unknown> {
    const [fields = []] = (await server.client.xinfo('GROUPS', live)) as unknown[][]
    return fields[fields.indexOf('lag') + 1]
  }

  async function waiting(): Promise<number | undefined> {
    const [row] = await readBacklog(server.client, keys, [merge])
    return row?.waiting
  }
})

function queueOf(redis: Awaited<ReturnType<typeof connectRedis>>) {
  const streams = merge.reads.map(({ name }) => name)
  return createQueue({ redis, keys, stage: 'merge', streams, consumer: 'me:1:a', now: Date.now })
}
