import t, { type Test } from 'tap'
import { takeIn } from '../../../shared/redis/arrivals.ts'
import { createLedger } from '../../../shared/redis/ledger.ts'
import { watchEvents } from '../../../shared/streams.ts'
import { fakeMailbox } from '../../support/fake-mailbox.ts'
import { ANA, startPipeline, type TestPipeline } from '../../support/pipeline.ts'
import { startRedis } from '../../support/redis.ts'
import { until } from '../../support/until.ts'

const redis = await startRedis()
t.teardown(() => redis.stop())

t.test('a history that lags behind a push is listed again until it catches up', async t => {
  const { mailbox, pipeline } = await open(t)
  mailbox.deliver(3)
  await pipeline.sync()
  mailbox.calls.length = 0
  const run = await announce(pipeline, 5)
  await until(() => mailbox.calls.length === 2, 'two listings found nothing')
  mailbox.deliver(2)
  const [first] = await pipeline.quiet()
  t.match(first, { run, cause: 'push', listed: 2, tasks: 2, addsUp: true })
  t.match(mailbox.calls.join(), /^changes,changes,(changes,)*fetch/)
})

t.test('an announced change is abandoned after a few listings and blocks no run', async t => {
  const { mailbox, pipeline } = await open(t)
  mailbox.deliver(1)
  await pipeline.sync()
  mailbox.calls.length = 0
  const run = await announce(pipeline, 1000)
  const [first] = await pipeline.quiet()
  t.match(first, { run, listed: 0, failure: undefined, addsUp: true })
  const looks = mailbox.calls.length
  t.ok(looks >= 3 && looks <= 12, `${looks} looks`)
  t.same(await pipeline.dead('list-ids'), [])
  mailbox.calls.length = 0
  await pipeline.sync()
  t.same(mailbox.calls, ['changes'])
})

t.test('available mail is emitted at once, another run lists the rest', async t => {
  const { mailbox, pipeline } = await open(t)
  mailbox.deliver(1)
  await pipeline.sync()
  mailbox.calls.length = 0
  mailbox.deliver(2)
  mailbox.before = kind => {
    // The rest becomes visible once the first part was emitted.
    if (kind === 'fetch') {
      mailbox.before = () => undefined
      mailbox.deliver(1)
    }
  }
  const run = await announce(pipeline, 4)
  const runs = await pipeline.quiet()
  t.same(
    runs.slice(0, 2).map(({ listed }) => listed),
    [1, 2],
  )
  t.equal(runs[1]?.run, run)
  t.equal(mailbox.calls.filter(call => call === 'changes').length, 2)
  const again = (await pipeline.read(watchEvents)).filter(({ id }) => id === `${run}~again`)
  t.match(again, [{ run: `${run}~again`, body: { cause: 'push', historyId: '4' } }])
})

t.test('the next run lists what was announced during a run', async t => {
  const { mailbox, pipeline } = await open(t)
  mailbox.deliver(1)
  await pipeline.sync()
  mailbox.calls.length = 0
  mailbox.deliver(1)
  mailbox.before = async kind => {
    if (kind !== 'fetch') return
    mailbox.before = () => undefined
    await announce(pipeline, 3)
    const { redis: client, keys } = pipeline.app
    await until(() => client.hexists(keys.mailbox(ANA), 'announced'), 'the announcement is kept')
  }
  await pipeline.request()
  await until(() => mailbox.calls.filter(call => call === 'changes').length === 3, 'the next run lists again')
  mailbox.deliver(1)
  const runs = await pipeline.quiet()
  t.match(runs.slice(0, 2), [{ cause: 'coalesced', listed: 1 }, { listed: 1 }])
})

t.test('a listing that reaches the announced history id costs one call', async t => {
  const { mailbox, pipeline } = await open(t)
  mailbox.deliver(1)
  await pipeline.sync()
  mailbox.deliver(1)
  for (const announced of [2, 2, 1]) {
    mailbox.calls.length = 0
    await announce(pipeline, announced)
    await pipeline.quiet()
    t.equal(mailbox.calls.filter(call => call === 'changes').length, 1, `${announced}`)
  }
})

t.test('the numerically newest history id announced during a run is kept', async t => {
  const { app, stop } = await startPipeline(redis, fakeMailbox(), { only: [] })
  t.teardown(stop)
  const { redis: client, keys, now } = app
  const ledger = createLedger(client, keys, ANA, now)
  const begin = (run: string, announced?: string) => {
    const envelope = { id: run, run, mailbox: ANA, at: 0, attempt: 0, lane: 'live' } as const
    return ledger.begin({ ...envelope, body: { cause: 'push' } }, announced)
  }
  t.match(await begin('first', '9'), { announced: '9' })
  for (const id of ['18446744073709551615', '18446744073709551614', '100'])
    t.equal(await begin(`run-${id}`, id), undefined)
  await client.hset(keys.run(keys.partitionOf(ANA), 'first'), 'endedAt', '1')
  t.match(await begin('second', '101'), { announced: '18446744073709551615' })
  t.match(await begin('second'), { announced: '18446744073709551615' }, 'and stays with its run')
  await client.hset(keys.run(keys.partitionOf(ANA), 'second'), 'endedAt', '1')
  t.match(await begin('third'), { announced: undefined })
})

t.test('the newest fifty distinct messages named during a run are kept', async t => {
  const { app, stop } = await startPipeline(redis, fakeMailbox(), { only: [] })
  t.teardown(stop)
  const { redis: client, keys, now } = app
  const ledger = createLedger(client, keys, ANA, now)
  const begin = (run: string, from: number, to: number) => {
    const created = Array.from({ length: to - from }, (_, place) => `m${from + place}`)
    const envelope = { id: run, run, mailbox: ANA, at: 0, attempt: 0, lane: 'live' } as const
    return ledger.begin({ ...envelope, body: { cause: 'push', created } })
  }
  t.ok(await begin('first', 0, 5), 'what it names itself it has')
  t.equal(await client.hget(keys.mailbox(ANA), 'created'), null)
  t.equal(await begin('second', 10, 50), undefined)
  t.equal(await begin('third', 45, 70), undefined)
  t.equal(await begin('third', 45, 70), undefined, 'asked again it is left once')
  const kept = JSON.parse((await client.hget(keys.mailbox(ANA), 'created')) ?? '[]')
  t.same(
    kept,
    Array.from({ length: 50 }, (_, place) => `m${20 + place}`),
  )
})

let announcements = 0
async function open(t: Test) {
  const mailbox = fakeMailbox()
  const pipeline = await startPipeline(redis, mailbox)
  t.teardown(() => pipeline.stop())
  return { mailbox, pipeline }
}

async function announce({ app }: TestPipeline, historyId: number | string): Promise<string> {
  const { redis: client, keys, newRunId, now } = app
  announcements += 1
  const run = newRunId()
  const body = { cause: 'push', historyId: `${historyId}` } as const
  await takeIn(client, keys, { id: `announcement-${announcements}`, mailbox: ANA, run, body, stale: false }, now())
  return run
}
