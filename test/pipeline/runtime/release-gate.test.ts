import t from 'tap'
import { taskLimits } from '../../../pipeline/runtime/task-room.ts'
import { readUnread } from '../../../shared/redis/unread.ts'
import { analysisTasks } from '../../../shared/streams.ts'
import { fakeMailbox } from '../../support/fake-mailbox.ts'
import { ANA, startPipeline, type TestPipeline } from '../../support/pipeline.ts'
import { startRedis } from '../../support/redis.ts'
import { until } from '../../support/until.ts'

const redis = await startRedis('--stream-node-max-entries', '10')
t.teardown(() => redis.stop())

t.test('a first sync emits tasks that fit, and the others after acknowledgements', async t => {
  const mailbox = fakeMailbox()
  const pipeline = await startPipeline(redis, mailbox, { settings: { TASK_MAX_BYTES: '200000' } })
  t.teardown(() => pipeline.stop())
  const { keys } = pipeline.app
  mailbox.deliver(250)
  await pipeline.request()
  const delayed = keys.delay(keys.partitionOf(ANA), 'thread-group')
  await until(async () => (await redis.client.zcard(delayed)) === 1, 'the next release waits')
  await until(async () => (await written(pipeline)) >= 100, 'tasks are written')
  const held = await unread(pipeline)
  t.ok((held.tasks ?? 0) < 250, `${held.tasks} are written`)
  t.ok((held.bytes ?? 0) <= held.maxBytes, `they take ${held.bytes} of ${held.maxBytes} bytes`)
  await until(async () => {
    await acknowledgeAll(pipeline)
    return (await written(pipeline)) === 250
  }, 'all are written')
  t.match(await pipeline.quiet(), [{ listed: 250, tasks: 250, addsUp: true }])
})

t.test('a live run is never deferred, however full the room is', async t => {
  const mailbox = fakeMailbox()
  const pipeline = await startPipeline(redis, mailbox, { settings: { TASK_MAX_BYTES: '10000' } })
  t.teardown(() => pipeline.stop())
  mailbox.deliver(60)
  t.match(await pipeline.sync(), { tasks: 60 }, 'nor is one while nothing is unread')
  mailbox.deliver(5)
  t.match(await pipeline.sync(), { tasks: 5 })
  t.ok((await unread(pipeline)).nearlyFull)
})

function unread({ app }: TestPipeline) {
  return readUnread(redis.client, app.keys, taskLimits(app))
}

async function written(pipeline: TestPipeline): Promise<number> {
  return (await pipeline.read(analysisTasks)).length
}

/** Reads and acknowledges every task, as a worker does. */
async function acknowledgeAll({ app }: TestPipeline): Promise<void> {
  for (const lane of ['live', 'bulk'] as const) {
    const stream = app.keys.stream(app.keys.partitionOf(ANA), analysisTasks.name, lane)
    await redis.client.xgroup('CREATE', stream, 'workers', '0', 'MKSTREAM').catch(() => undefined)
    await redis.client.call('XREADGROUP', 'GROUP', 'workers', 'me', 'STREAMS', stream, '>')
    const read = (await redis.client.xpending(stream, 'workers', '-', '+', 1000)) as [string][]
    if (read.length > 0) await redis.client.xack(stream, 'workers', ...read.map(([id]) => id))
  }
}
