import t from 'tap'
import { STAGES } from '../../../pipeline/base/stages.ts'
import { startJsRedis } from '../../../pipeline/embedded-redis/js-redis.ts'
import { connectRedis } from '../../../shared/redis/connect.ts'
import { createKeys } from '../../../shared/redis/keys.ts'
import { reapPartition } from '../../../shared/redis/reap.ts'
import { redisFor } from '../../support/redis.ts'

const DAY_MS = 86_400_000
const { redis } = await redisFor(t)

const keys = createKeys('test', 2)
const stream = keys.stream('p00', 'message-ids', 'live')
const group = 'cache-filter'

t.test('who is silent and holds nothing is removed', async t => {
  await consumer('gone')
  t.same(await reap(0), [{ stream, group, consumer: 'gone' }])
  t.same(await consumers(), [])
})

t.test('who was heard of lately stays', async t => {
  await consumer('busy')
  t.same(await reap(DAY_MS), [])
  t.same(await consumers(), ['busy'])
})

t.test('who holds an entry stays, and so does the entry', async t => {
  const held = await consumer('holding', 'entry')
  await consumer('empty')
  t.match(await reap(0), [{ consumer: 'empty' }])
  t.same(await consumers(), ['holding'])
  t.match(await redis.xpending(stream, group, '-', '+', 10), [[held, 'holding']])
  await redis.xack(stream, group, held)
  t.match(await reap(0), [{ consumer: 'holding' }])
})

t.test('what was released stays until somebody has taken it', async t => {
  const id = await consumer('leaving', 'entry')
  await redis.call('XCLAIM', stream, group, '__released', 0, id, 'IDLE', DAY_MS, 'JUSTID')
  await redis.xgroup('DELCONSUMER', stream, group, 'leaving')
  t.same(await reap(DAY_MS), [])
  t.same(await consumers(), ['__released'])
  await redis.call('XCLAIM', stream, group, 'heir', 0, id, 'JUSTID')
  t.match(await reap(0), [{ consumer: '__released' }])
  t.same(await consumers(), ['heir'])
})

t.test('groups that are not ours keep their consumers', async t => {
  await consumer('theirs', undefined, 'audit')
  t.same(await reap(0), [])
  t.same(await consumers('audit'), ['theirs'])
})

t.test('in one partition only, in both lanes', async t => {
  const [bulk, other] = [keys.stream('p00', 'message-ids', 'bulk'), keys.stream('p01', 'message-ids', 'live')]
  for (const key of [bulk, other]) {
    await redis.xgroup('CREATE', key, group, '0', 'MKSTREAM')
    await redis.xgroup('CREATECONSUMER', key, group, 'gone')
  }
  t.same(await reap(0), [{ stream: bulk, group, consumer: 'gone' }])
})

t.test('the JavaScript Redis understands the script', async t => {
  const js = await startJsRedis()
  const client = await connectRedis(js.url)
  t.teardown(async () => {
    client.disconnect()
    await js.close()
  })
  await client.xgroup('CREATE', stream, group, '0', 'MKSTREAM')
  await client.xgroup('CREATECONSUMER', stream, group, 'gone')
  t.same(await reapPartition(client, keys, 'p00', { stages: STAGES, idleMs: 0 }), [{ stream, group, consumer: 'gone' }])
})

function reap(idleMs: number) {
  return reapPartition(redis, keys, 'p00', { stages: STAGES, idleMs })
}

/** Makes a consumer, and with `text` gives it an entry; the entry's id. */
async function consumer(name: string, text?: string, of = group): Promise<string> {
  await redis.xgroup('CREATE', stream, of, '0', 'MKSTREAM').catch(() => undefined)
  await redis.xgroup('CREATECONSUMER', stream, of, name)
  if (text === undefined) return ''
  const id = await redis.xadd(stream, '*', 'envelope', text)
  await redis.call('XREADGROUP', 'GROUP', of, name, 'STREAMS', stream, '>')
  return id ?? ''
}

async function consumers(of = group): Promise<string[]> {
  return ((await redis.xinfo('CONSUMERS', stream, of)) as unknown[][]).map(fields => String(fields[1]))
}
