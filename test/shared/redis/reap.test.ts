import t from 'tap'
import { STAGES } from '../../../pipeline/base/stages.ts'
import { startJsRedis } from '../../../pipeline/embedded-redis/js-redis.ts'
import { connectRedis } from '../../../shared/redis/connect.ts'
import { createKeys } from '../../../shared/redis/keys.ts'
import { reapPartition } from '../../../shared/redis/reap.ts'
import { clusterFor } from '../../support/redis.ts'

const DAY_MS = 86_400_000
const { redis } = await clusterFor(t)

const keys = createKeys('test', 2)
const stream = keys.stream('p00', 'message-ids', 'live')
const group = 'cache-filter'

t.test('a silent consumer without entries is removed', async t => {
  await consumer('gone')
  t.same(await reap(0), [{ stream, group, consumer: 'gone' }])
  t.same(await consumers(), [])
})

t.test('a recently active consumer stays', async t => {
  await consumer('busy')
  t.same(await reap(DAY_MS), [])
  t.same(await consumers(), ['busy'])
})

t.test('a consumer with a pending entry stays, with the entry', async t => {
  const held = await consumer('holding', 'entry')
  await consumer('empty')
  t.match(await reap(0), [{ consumer: 'empty' }])
  t.same(await consumers(), ['holding'])
  t.match(await redis.xpending(stream, group, '-', '+', 10), [[held, 'holding']])
  await redis.xack(stream, group, held)
  t.match(await reap(0), [{ consumer: 'holding' }])
})

t.test('released entries stay until they are taken over', async t => {
  const id = await consumer('leaving', 'entry')
  await redis.call('XCLAIM', stream, group, '__released', 0, id, 'IDLE', DAY_MS, 'JUSTID')
  await redis.xgroup('DELCONSUMER', stream, group, 'leaving')
  t.same(await reap(DAY_MS), [])
  t.same(await consumers(), ['__released'])
  await redis.call('XCLAIM', stream, group, 'heir', 0, id, 'JUSTID')
  t.match(await reap(0), [{ consumer: '__released' }])
  t.same(await consumers(), ['heir'])
})

t.test('foreign groups keep their consumers', async t => {
  await consumer('theirs', undefined, 'audit')
  t.same(await reap(0), [])
  t.same(await consumers('audit'), ['theirs'])
})

t.test('consumers are removed in one partition only, in both lanes', async t => {
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

/** Creates a consumer, with an entry if `text` is given; returns the entry's id. */
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
