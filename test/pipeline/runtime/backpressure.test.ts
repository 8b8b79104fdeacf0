import t from 'tap'
import { withBackpressure } from '../../../pipeline/runtime/backpressure.ts'
import type { Envelope, Lane } from '../../../shared/envelope.ts'
import { createQueue } from '../../../shared/redis/queue.ts'
import type { Stage, StageContext } from '../../../shared/stage.ts'
import { messageIds } from '../../../shared/streams.ts'
import { listIds } from '../../../stages/list-ids/list-ids.ts'
import { keepLog } from '../../faults/support.ts'
import { fakeMailbox } from '../../support/fake-mailbox.ts'
import { ANA, startPipeline } from '../../support/pipeline.ts'
import { redisFor } from '../../support/redis.ts'

const { server } = await redisFor(t)
const LIMIT = 10
const PAUSED = { message: /later stages are behind; listing is paused/ }

t.test('bulk work pauses bulk listing alone, live work pauses live listing', async t => {
  const pipeline = await startPipeline(server, fakeMailbox(), { only: [] })
  t.teardown(() => pipeline.stop())
  const { redis, keys } = pipeline.app
  const clock = { ms: 1_790_000_000_000 }
  const app = { ...pipeline.app, now: () => clock.ms }
  const streams = [messageIds.name]
  const queue = createQueue({ redis, keys, stage: 'cache-filter', streams, consumer: 'test', now: app.now })
  await queue.createGroups()
  const { log, lines } = keepLog()
  const listed: string[] = []
  const first = {
    ...listIds,
    handle: async batch => {
      listed.push(batch.items[0]?.lane ?? '')
      return {}
    },
  } satisfies Stage as Stage
  const stage = withBackpressure(first, app, { sliceSize: () => 1, limit: LIMIT, log })
  const list = (lane: Lane) => {
    const item: Envelope = { id: lane, run: lane, mailbox: ANA, at: 0, attempt: 0, lane, body: {} }
    // The next check is due only after a while.
    clock.ms += 1000
    return stage.handle({ mailbox: ANA, items: [item] }, {} as StageContext)
  }
  const fill = async (lane: Lane) => {
    const key = keys.stream(keys.partitionOf(ANA), messageIds.name, lane)
    for (let count = 0; count <= LIMIT; count += 1) await redis.xadd(key, '*', 'envelope', '{}')
  }

  await fill('bulk')
  await list('live')
  await t.rejects(list('bulk'), PAUSED)
  await list('live')
  t.same(listed, ['live', 'live'])
  t.match(lines, [{ fields: { lane: 'bulk', entries: LIMIT + 1, most: 'cache-filter' } }])

  await fill('live')
  await t.rejects(list('live'), PAUSED)
  await t.rejects(list('bulk'), PAUSED)
  await queue.read(redis, queue.keys, 100, undefined)
  await t.rejects(list('live'), PAUSED, 'what is in work counts as well')
  for (const key of queue.keys) await redis.xgroup('DESTROY', key, 'cache-filter')
  for (const key of queue.keys) await redis.xgroup('CREATE', key, 'cache-filter', '$')
  await list('live')
  await list('bulk')
  t.same(listed, ['live', 'live', 'live', 'bulk'])
})
