import t from 'tap'
import { deadList } from '../../../pipeline/commands/dead.ts'
import { status } from '../../../pipeline/commands/status.ts'
import type { Envelope } from '../../../shared/envelope.ts'
import { MailError } from '../../../shared/error.ts'
import { dropDead, listDead, readDead, redriveDead } from '../../../shared/redis/dead.ts'
import { readMailbox, resumeMailbox } from '../../../shared/redis/mailboxes.ts'
import { listRuns } from '../../../shared/redis/runs.ts'
import { encodeEntry } from '../../../shared/slice.ts'
import { analysisTasks, fetchedMessages, messageIds, missingIds } from '../../../shared/streams.ts'
import { fakeMailbox } from '../../support/fake-mailbox.ts'
import { ANA, startPipeline, type TestPipeline } from '../../support/pipeline.ts'
import { startRedis } from '../../support/redis.ts'
import { contextFor } from '../../support/surroundings.ts'
import { until } from '../../support/until.ts'

const redis = await startRedis()
t.teardown(() => redis.stop())

const context = () => ({ now: Date.now(), newRunId: `again-${Math.random()}` })

t.test('a redriven message reaches its thread and its task, and its run adds up', async t => {
  const { pipeline, heal, letter } = await withOneDead()
  t.teardown(() => pipeline.stop())
  const { redis: client, keys } = pipeline.app
  t.match(letter, {
    stage: 'batch-fetch',
    stream: 'missing-ids',
    kind: 'rejected',
    message: 'no',
    mailbox: ANA,
    attempts: 1,
  })
  t.match(await readDead(client, keys, letter.name), letter)
  heal()
  t.equal(await redriveDead(client, keys, letter, context()), true)
  const [run] = await pipeline.quiet()
  t.match(run, { listed: 10, fates: { fetched: 10, dead: 0 }, addsUp: true, tasks: 3 })
  const last = (await pipeline.read(analysisTasks)).at(-1)
  t.same(
    last?.body.messages.map(({ id }) => id),
    ['m1', 'm3', 'm5', 'm7', 'm9'],
    'with the message that was missing',
  )
  t.same(await listDead(client, keys), [])
})

t.test('two concurrent redrives redrive once', async t => {
  const { pipeline, heal, letter } = await withOneDead()
  t.teardown(() => pipeline.stop())
  const { redis: client, keys } = pipeline.app
  heal()
  const done = await Promise.all([1, 2, 3, 4].map(() => redriveDead(client, keys, letter, context())))
  t.same(done.sort(), [false, false, false, true])
  const [run] = await pipeline.quiet()
  t.match(run, { listed: 10, fates: { fetched: 10, dead: 0 }, addsUp: true })
  const fates = await pipeline.read(fetchedMessages)
  t.equal(new Set(fates.map(({ id }) => id)).size, fates.length, 'no id twice')
})

t.test('a redriven message that fails again can be redriven again', async t => {
  const { pipeline, heal, letter } = await withOneDead()
  t.teardown(() => pipeline.stop())
  const { redis: client, keys } = pipeline.app
  await redriveDead(client, keys, letter, context())
  t.match((await pipeline.quiet())[0], { listed: 10, fates: { fetched: 9, dead: 1 }, addsUp: true })
  const [again] = await until(async () => {
    const found = await listDead(client, keys)
    return found.length === 1 ? found : undefined
  }, 'it is dead again')
  heal()
  if (again) await redriveDead(client, keys, again, context())
  t.match((await pipeline.quiet())[0], { listed: 10, fates: { fetched: 10, dead: 0 }, addsUp: true })
})

t.test('a message of an expired run can be redriven', async t => {
  const { pipeline, heal, letter } = await withOneDead()
  t.teardown(() => pipeline.stop())
  const { redis: client, keys } = pipeline.app
  const partition = keys.partitionOf(ANA)
  await client.del(keys.run(partition, letter.run ?? ''))
  await client.zrem(keys.runs(partition), letter.run ?? '')
  heal()
  await redriveDead(client, keys, letter, context())
  t.match((await pipeline.quiet())[0], { cause: 'redrive', listed: 1, fates: { fetched: 1 }, addsUp: true, tasks: 1 })
})

t.test('a message of an abandoned run is redriven in a new run', async t => {
  const { pipeline, heal, letter } = await withOneDead()
  t.teardown(() => pipeline.stop())
  const { redis: client, keys } = pipeline.app
  await client.hset(keys.run(keys.partitionOf(ANA), letter.run ?? ''), 'abandoned', 'another')
  heal()
  await redriveDead(client, keys, letter, context())
  t.match((await pipeline.quiet())[0], { cause: 'redrive', listed: 1, fates: { fetched: 1 }, addsUp: true, tasks: 1 })
})

t.test('a dropped dead letter is deleted once', async t => {
  const { pipeline, letter } = await withOneDead()
  t.teardown(() => pipeline.stop())
  const { redis: client, keys } = pipeline.app
  t.equal(await dropDead(client, keys, letter), true)
  t.equal(await dropDead(client, keys, letter), false)
  await t.rejects(readDead(client, keys, letter.name), { message: /there is no dead letter batch-fetch/ })
  await t.rejects(readDead(client, keys, 'nonsense'), { message: /"nonsense" is not the name of a dead letter/ })
})

t.test('redriving a refused listing starts a new run', async t => {
  const mailbox = fakeMailbox()
  const pipeline = await startPipeline(redis, mailbox)
  t.teardown(() => pipeline.stop())
  mailbox.deliver(3)
  mailbox.before = kind => {
    if (kind === 'changes') throw new MailError('rejected', 'no')
  }
  t.match(await pipeline.sync(), { failure: 'no' })
  mailbox.before = () => undefined
  const { redis: client, keys } = pipeline.app
  const [letter] = await listDead(client, keys, { stage: 'list-ids' })
  if (letter) await redriveDead(client, keys, letter, context())
  t.match((await pipeline.quiet())[0], { cause: 'request', listed: 3, addsUp: true, failure: undefined })
})

t.test('unreadable entries are dead-lettered and block nothing', async t => {
  const mailbox = fakeMailbox()
  const pipeline = await startPipeline(redis, mailbox)
  t.teardown(() => pipeline.stop())
  const { redis: client, keys } = pipeline.app
  const stream = keys.stream(keys.partitionOf(ANA), missingIds.name, 'live')
  await client.xadd(stream, '*', 'envelope', 'not JSON')
  await client.xadd(stream, '*', 'envelope', JSON.stringify({ v: 99, id: 'x' }))
  await client.xadd(stream, '*', 'something', 'else')
  mailbox.deliver(5)
  t.match(await pipeline.sync(), { listed: 5, fates: { fetched: 5 } })
  const letters = await until(async () => {
    const found = await listDead(client, keys)
    return found.length === 3 ? found : undefined
  }, 'all three are dead')
  t.same(letters.map(({ kind, text }) => [kind, text]).sort(), [
    ['unparsable', ''],
    ['unparsable', 'not JSON'],
    ['unparsable', '{"v":99,"id":"x"}'],
  ])
})

t.test('a mailbox with a failed account is parked until it is resumed', async t => {
  const mailbox = fakeMailbox()
  const pipeline = await startPipeline(redis, mailbox)
  t.teardown(() => pipeline.stop())
  const { redis: client, keys } = pipeline.app
  mailbox.deliver(45, 9)
  mailbox.before = kind => {
    if (kind === 'fetch') throw new MailError('unauthorized', 'the grant is gone')
  }
  await pipeline.request()
  await until(async () => (await client.llen(keys.parked(ANA))) === 3, 'all its work is parked')
  t.match(await readMailbox(client, keys, ANA), { needsReauth: 'the grant is gone' })
  const calls = mailbox.calls.length
  await pipeline.request()
  await until(async () => (await readMailbox(client, keys, ANA))?.dirty, 'events are noted meanwhile')
  t.equal(mailbox.calls.length, calls, 'parked work costs no call')
  mailbox.before = () => undefined
  const resume = () => resumeMailbox(client, keys, ANA, { now: Date.now() })
  const resumed = await Promise.all([resume(), resume()])
  t.equal(
    resumed.reduce((sum, count) => sum + count, 0),
    3,
    'slices of 20, 20 and 5',
  )
  await pipeline.quiet()
  const runs = await listRuns(client, keys, 10)
  t.match(runs.at(-1), { listed: 45, fates: { fetched: 45, dead: 0 }, tasks: 9, addsUp: true })
  t.equal((await readMailbox(client, keys, ANA))?.needsReauth, undefined)
  t.same(await pipeline.dead('batch-fetch'), [])
})

t.test('an unreadable slice of an expired window is redriven in a new window', async t => {
  const mailbox = fakeMailbox()
  const pipeline = await startPipeline(redis, mailbox)
  t.teardown(() => pipeline.stop())
  const { redis: client, keys } = pipeline.app
  const partition = keys.partitionOf(ANA)
  const ids = mailbox.deliver(3, 1)
  const [first, ...rest] = ids.map((id, index): Envelope => {
    const head = {
      id: `gone/1/${index}`,
      run: 'gone',
      mailbox: ANA,
      at: 1,
      attempt: 0,
      lane: 'live',
    } as const
    return { ...head, body: { id, thread: 't0', window: '1', index, of: 7 } }
  })
  if (!first) throw new Error('nothing was delivered')
  const text = encodeEntry(messageIds, [first, ...rest])
  const words = {
    stage: 'cache-filter',
    stream: messageIds.name,
    kind: 'unparsable',
    message: 'newer',
    at: 1,
    unread: 1,
  }
  await client.xadd(keys.dead(partition, 'cache-filter'), '*', 'envelope', text, ...Object.entries(words).flat())
  const [letter] = await listDead(client, keys)
  if (!letter) throw new Error('nothing is dead')
  t.equal(letter.unread, true)
  t.equal(await redriveDead(client, keys, letter, context()), true)
  const [run] = await pipeline.quiet()
  t.match(run, { run: 'gone', cause: 'redrive', listed: 3, fates: { fetched: 3 }, addsUp: true, tasks: 1 })
  const [task] = await pipeline.read(analysisTasks)
  t.same(
    task?.body.messages.map(({ id }) => id),
    ids,
  )
  t.equal(await client.exists(keys.window(partition, 'gone', 'redrive:1/0')), 1)
  t.same(await listDead(client, keys), [])
})

t.test('dead list reports the total, and status counts per stage', async t => {
  const pipeline = await startPipeline(redis, fakeMailbox(), { only: [] })
  t.teardown(() => pipeline.stop())
  const { redis: client, keys, config } = pipeline.app
  const printed: string[] = []
  const contextWith = (json: boolean) =>
    contextFor({
      config: { ...config, REDIS_URL: redis.url },
      json,
      signal: new AbortController().signal,
      print: text => printed.push(text),
    })
  for (const at of ['1', '2', '3']) await client.xadd(keys.dead('p01', 'merge'), '*', 'envelope', '{}', 'at', at)
  await deadList(contextWith(false), { stage: undefined, limit: 2 })
  t.match(printed.at(-1), /\nThe oldest 2 of 3: `--limit 3` shows more\.$/)
  await deadList(contextWith(true), { stage: undefined, limit: 2 })
  t.match(JSON.parse(printed.at(-1) ?? ''), { dead: { length: 2 }, total: 3 })
  await deadList(contextWith(false), { stage: 'merge', limit: 3 })
  t.notMatch(printed.at(-1), /shows more/)
  await deadList(contextWith(false), { stage: 'ai-dispatch', limit: 1 })
  t.equal(printed.at(-1), 'No dead letters.')
  await status(contextWith(true))
  const { backlog } = JSON.parse(printed.at(-1) ?? '') as { backlog: { stage: string }[] }
  t.match(
    backlog.filter(({ stage }) => stage === 'merge'),
    [
      { lane: 'live', dead: 0 },
      { lane: 'bulk', dead: 0 },
      { lane: 'both', dead: 3 },
    ],
  )
  await status(contextWith(false))
  t.match(printed.at(-1), /merge +│ both +│ +│ +│ +0 │ +3 │/)
})

/** Sets up a mailbox with two threads and ten messages, one of which is refused. */
async function withOneDead() {
  const mailbox = fakeMailbox()
  const pipeline: TestPipeline = await startPipeline(redis, mailbox)
  mailbox.deliver(10, 2)
  mailbox.before = (kind, wanted) => {
    if (kind === 'fetch' && wanted.some(({ id }) => id === 'm3')) throw new MailError('rejected', 'no')
  }
  await pipeline.sync()
  const [letter] = await listDead(pipeline.app.redis, pipeline.app.keys)
  if (!letter) throw new Error('nothing is dead')
  return { pipeline, letter, heal: () => (mailbox.before = () => undefined) }
}
