import t from 'tap'
import type { MailboxId } from '../../shared/mailbox.ts'
import { createKeys } from '../../shared/redis/keys.ts'
import { connectMailbox } from '../../shared/redis/mailboxes.ts'
import { messageIds } from '../../shared/streams.ts'
import { fakeMailbox } from '../support/fake-mailbox.ts'
import { ANA, startPipeline } from '../support/pipeline.ts'
import { start } from '../support/processes.ts'
import { startRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'

const redis = await startRedis()
t.teardown(() => redis.stop())

const UNFIT = /[\p{Cc}\p{Surrogate}]/u

t.test('mailbox-events and sync-metrics contain no control characters', async t => {
  const mailbox = fakeMailbox()
  const pipeline = await startPipeline(redis, mailbox, { only: ['list-ids'] })
  t.teardown(() => pipeline.stop())
  const { redis: client, keys } = pipeline.app
  const partition = keys.partitionOf(ANA)
  const odd = 'gmail:a\u0000n\u001b[31ma\u009b\u0085@example.com' as MailboxId
  await connectMailbox(client, keys, odd, 'pinned:0:0', 1)
  const [event] = await client.xrevrange(keys.mailboxEvents(keys.partitionOf(odd)), '+', '-', 'COUNT', 1)
  t.match(event?.[1], ['event', 'connected', 'mailbox', 'gmail:a n [31ma  @example.com'])
  mailbox.deliver(2, 1)
  const name = await pipeline.request()
  await until(async () => (await pipeline.read(messageIds)).length === 2, 'it is listed')
  await client.hset(keys.run(partition, name), 'failure', 'no\u0007 \u001b]0;x\u009c answer')
  pipeline.start(['cache-filter', 'batch-fetch', 'merge', 'thread-group', 'ai-dispatch'])
  await pipeline.quiet()
  const [metrics] = await client.xrevrange(keys.metrics(partition, 'gmail'), '+', '-', 'COUNT', 1)
  t.match(metrics?.[1], ['run', name])
  t.ok(metrics?.[1].includes('no   ]0;x  answer'))
  for (const field of [...(event?.[1] ?? []), ...(metrics?.[1] ?? [])]) t.notMatch(field, UNFIT)
})

t.test('printed JSON contains no lone surrogates and no control characters', async t => {
  const environment = { REDIS_URL: redis.url, REDIS_PREFIX: 'leaving' }
  const keys = createKeys('leaving', 8)
  const envelope = { v: 1, id: 'i', run: 'r', mailbox: ANA, at: 1, attempt: 0, lane: 'live' }
  const body = {
    id: 'm \ud83d\u0000\u001b[31m\u009b \\ud83d "😀"',
    window: '1',
    index: 0,
    of: 1,
    fate: 'dead',
    reason: 'a\nb',
  }
  const key = keys.stream('p01', 'fetched-messages', 'live')
  await redis.client.xadd(key, '*', 'envelope', JSON.stringify({ ...envelope, body }))
  const tail = start(['tail', 'fetched-messages', '--from-start', '--json'], environment)
  t.teardown(() => tail.kill('SIGKILL'))
  const line = await until(async () => (tail.stdout().endsWith('\n') ? tail.stdout() : undefined), 'it is printed')
  const read = JSON.parse(line).envelope.body
  t.match(read, { id: 'm [31m \\ud83d "😀"', reason: 'a b' })
  t.notMatch(read.id, UNFIT)
  t.notMatch(line.trimEnd(), UNFIT)
})
