import t from 'tap'
import { STAGES } from '../../../pipeline/stages.ts'
import type { MailboxId } from '../../../shared/mailbox.ts'
import { createKeys } from '../../../shared/redis/keys.ts'
import { createStuckWatch, type StuckWatch } from '../../../shared/redis/stuck.ts'
import { redisFor } from '../../support/redis.ts'

const ANA: MailboxId = 'gmail:ana@example.com'
const BOUND_MS = 900_000
const { server, redis } = await redisFor(t)

const keys = createKeys('test', 2)
const partition = keys.partitionOf(ANA)
const run = keys.run(partition, 'one')
const stream = keys.stream(partition, 'missing-ids', 'bulk')
const envelope = `{"v":1,"id":"x","run":"one","mailbox":"${ANA}"}`

t.test('a run that stands still with nothing under way is told of once, with what it lacks', async t => {
  const { look, pass } = await watching()
  t.same(await look(), [])
  pass(BOUND_MS - 1)
  t.same(await look(), [], 'not before its time')
  pass(1)
  t.same(await look(), [
    {
      run: 'one',
      mailbox: ANA,
      standsMs: BOUND_MS,
      missing: [
        'the listing has not come to its end',
        'window 2 lacks 1 of 3 fates',
        '1 more windows not merged',
        '1 windows merged and not grouped',
        '1 threads not let go',
      ],
    },
  ])
  pass(BOUND_MS)
  t.same(await look(), [], 'not again')
  t.match(await redis.hgetall(run), { opened: '4' }, 'nothing was changed')
})

t.test('one that moves is not stuck, and is told of again when it stops again', async t => {
  const { look, pass } = await watching()
  for (const units of [1, 2, 3]) {
    await redis.hset(run, 'units', units)
    t.same(await look(), [])
    pass(BOUND_MS)
  }
  t.match(await look(), [{ run: 'one' }])
  await redis.hset(run, 'units', 4)
  t.same(await look(), [])
  pass(BOUND_MS)
  t.match(await look(), [{ run: 'one' }])
})

t.test('a run is not stuck while something of it is', async t => {
  const group = 'batch-fetch'
  const id = async () => (await redis.xadd(stream, '*', 'envelope', envelope)) ?? ''
  const places: Record<string, () => Promise<unknown>> = {
    'unread, where the stage never came': id,
    unread: () => id().then(() => redis.xgroup('CREATE', stream, group, '0')),
    pending: async () => {
      await redis.xgroup('CREATE', stream, group, '0', 'MKSTREAM')
      await id()
      await redis.call('XREADGROUP', 'GROUP', group, 'me', 'STREAMS', stream, '>')
    },
    delayed: () => redis.zadd(keys.delay(partition, group), 1, `${stream}\n${envelope}`),
    parked: () => redis.rpush(keys.parked(ANA), `${stream}\n${envelope}`),
  }
  for (const [place, put] of Object.entries(places)) {
    await server.client.flushall()
    const { look, pass } = await watching()
    await put()
    await look()
    pass(BOUND_MS)
    t.same(await look(), [], place)
    await redis.del(stream, keys.delay(partition, group), keys.parked(ANA))
    t.match(await look(), [{ run: 'one' }], `${place} no more`)
  }
})

t.test('what is acknowledged, or of another run, is no work of it', async t => {
  const { look, pass } = await watching()
  await redis.xgroup('CREATE', stream, 'batch-fetch', '0', 'MKSTREAM')
  const id = await redis.xadd(stream, '*', 'envelope', envelope)
  await redis.call('XREADGROUP', 'GROUP', 'batch-fetch', 'me', 'STREAMS', stream, '>')
  await redis.xack(stream, 'batch-fetch', id ?? '')
  const pipeline = redis.pipeline()
  for (let n = 0; n < 1200; n += 1) pipeline.xadd(stream, '*', 'envelope', envelope.replace('"one"', '"other"'))
  await pipeline.exec()
  await look()
  pass(BOUND_MS)
  t.match(await look(), [{ run: 'one' }])
})

t.test('behind very much work nothing is called stuck', async t => {
  const { look, pass } = await watching()
  const pipeline = redis.pipeline()
  for (let n = 0; n < 10_000; n += 1) pipeline.xadd(stream, '*', 'envelope', '')
  await pipeline.exec()
  await look()
  pass(BOUND_MS)
  t.same(await look(), [])
})

t.test('a run that came to its end is not stuck, but one whose threads were never dispatched is', async t => {
  const { look, pass } = await watching()
  await redis.hset(run, 'listing', 'done', 'merged', 4, 'grouped', 4, 'endedAt', 5, 'threads', 2, 'settled', 2)
  await redis.del(keys.runThreads(partition, 'one'))
  await look()
  pass(BOUND_MS)
  t.same(await look(), [])
  const late = await watching()
  await redis.hset(run, 'listing', 'done', 'merged', 4, 'grouped', 4, 'endedAt', 5, 'threads', 2, 'settled', 1)
  await redis.del(keys.runThreads(partition, 'one'))
  await late.look()
  late.pass(BOUND_MS)
  t.match(await late.look(), [{ missing: ['1 threads not dispatched'] }])
})

/** A run with one of four windows grouped, one merged, one that lacks a fate, and a context window; and a watch with a clock of its own. */
async function watching(): Promise<{ look: () => ReturnType<StuckWatch['look']>; pass: (ms: number) => void }> {
  await redis.hset(run, 'mailbox', ANA, 'startedAt', 1, 'opened', 4, 'merged', 2, 'grouped', 1)
  await redis.zadd(keys.runs(partition), 1, 'one')
  await redis.hset(keys.window(partition, 'one', '1'), 'of', 3, 'done', 3)
  await redis.hset(keys.window(partition, 'one', '2'), 'of', 3, 'done', 2)
  await redis.zadd(keys.runThreads(partition, 'one'), 1, 'thread')
  let clock = 1_790_000_000_000
  const watch = createStuckWatch({ redis, keys, stages: STAGES, stuckMs: BOUND_MS, now: () => clock })
  return {
    look: () => watch.look(partition),
    pass: ms => {
      clock += ms
    },
  }
}
