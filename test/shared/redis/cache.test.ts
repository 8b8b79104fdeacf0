import t from 'tap'
import { warnOfInvalid } from '../../../pipeline/accounts/invalid-cache.ts'
import type { MailboxId } from '../../../shared/mailbox.ts'
import type { Message } from '../../../shared/message.ts'
import { createCache } from '../../../shared/redis/cache.ts'
import { createKeys } from '../../../shared/redis/keys.ts'
import { connectMailbox } from '../../../shared/redis/mailboxes.ts'
import { keepLog } from '../../faults/support.ts'
import { fakeMailbox } from '../../support/fake-mailbox.ts'
import { startPipeline } from '../../support/pipeline.ts'
import { clusterFor } from '../../support/redis.ts'
import { until } from '../../support/until.ts'

const { server, redis } = await clusterFor(t)
const ANA: MailboxId = 'gmail:ana@example.com'
const keys = createKeys('test', 2)
const key = keys.message(ANA, 'a')
const message = (id: string): Message => ({
  ...{ id, thread: 't', labels: [], date: 1, subject: 's', from: [], to: [], cc: [], snippet: '' },
})

/** The ways in which a cached message can be unreadable. */
const spoilings: [what: string, spoil: (key: string) => Promise<unknown>][] = [
  ['is cut off', at => redis.set(at, JSON.stringify(message('a')).slice(0, 40))],
  ['is no JSON', at => redis.set(at, 'v1:AAAA')],
  ['is empty', at => redis.set(at, '')],
  ['has another shape', at => redis.set(at, JSON.stringify({ id: 'a' }))],
  ['is another message', at => redis.set(at, JSON.stringify(message('b')))],
  ['is a hash', at => redis.hset(at, 'id', 'a')],
  ['is a list', at => redis.rpush(at, 'a')],
]

for (const [what, spoil] of spoilings) {
  t.test(`a cached message that ${what} is deleted and counted as missing`, async t => {
    await connectMailbox(redis, keys, ANA, 'history:1', 0)
    const counts: number[] = []
    const cache = createCache(redis, keys, { mailbox: ANA, ttlSeconds: 60, onInvalid: count => counts.push(count) })
    await cache.put([message('c')])
    for (const look of [cache.touch, cache.get]) {
      await redis.del(key)
      await spoil(key)
      t.same([...(await look(['a', 'b', 'c'])).keys()], ['c'])
      t.equal(await redis.exists(key), 0)
    }
    t.same(counts, [1, 1])
    await cache.put([message('a')])
    t.equal((await cache.touch(['a'])).size, 1)
  })
}

t.test('a message that was cached without its text is missing where texts are wanted, without a warning', async t => {
  await connectMailbox(redis, keys, ANA, 'history:1', 0)
  const counts: number[] = []
  const onInvalid = (count: number) => counts.push(count)
  const previews = createCache(redis, keys, { mailbox: ANA, ttlSeconds: 60, onInvalid })
  const texts = createCache(redis, keys, { mailbox: ANA, ttlSeconds: 60, texts: true, onInvalid })
  const body = { text: 'The whole text. '.repeat(200), kind: 'plain' as const }
  await previews.put([message('a')])
  t.equal((await previews.touch(['a'])).size, 1)
  t.equal((await texts.touch(['a'])).size, 0)
  t.equal(await redis.exists(key), 0, 'it gets no changes of labels any more')
  await texts.put([{ ...message('a'), body }])
  t.same([...(await texts.get(['a'])).values()], [{ ...message('a'), body }])
  t.ok(((await redis.get(key)) ?? '').length < body.text.length / 2, 'it is compressed')
  t.same([...(await previews.get(['a'])).values()], [message('a')])
  t.same(counts, [])
})

t.test('unreadable cached mail is refetched, and its thread is emitted whole', async t => {
  const mailbox = fakeMailbox(40)
  const pipeline = await startPipeline(server, mailbox)
  t.teardown(() => pipeline.stop())
  const { client } = server
  mailbox.deliver(6, 1)
  t.match(await pipeline.sync(), { listed: 6, tasks: 1 })
  const held = await client.keys('*:msg:*')
  t.equal(held.length, 6)
  for (const [place, at] of held.entries()) {
    await client.del(at)
    await spoilings[place]?.[1](at)
  }
  mailbox.deliver(1, 1)
  t.match(await pipeline.sync(), { listed: 1, tasks: 1, addsUp: true })
  const tasks = await client.keys('*:s:analysis-tasks*')
  t.equal(tasks.length, 2, 'of the first sync and of the new mail')
  const entries = await Promise.all(tasks.map(at => client.xrange(at, '-', '+')))
  const sizes = entries.flat().map(([, fields]) => (JSON.parse(fields[1] ?? '').body.messages as unknown[]).length)
  t.same(sizes.sort(), [6, 7])
})

t.test('the first warning comes at once; later ones are counted', async t => {
  const { log, lines } = keepLog()
  const warn = warnOfInvalid(log, { everyMs: 50 })
  warn(1)
  warn(2)
  warn(3)
  t.same(lines, [{ level: 'warn', fields: { count: 1 }, text: 'Invalid cache data' }])
  const awake = setInterval(() => undefined, 10)
  t.teardown(() => clearInterval(awake))
  await until(() => lines.length === 2, 'it warns again')
  t.match(lines[1], { fields: { count: 5 } })
})
