import t from 'tap'
import { type Envelope, encodeEnvelope } from '../../../shared/envelope.ts'
import type { Fact } from '../../../shared/fact.ts'
import type { MailboxId } from '../../../shared/mailbox.ts'
import type { Message } from '../../../shared/message.ts'
import { commitWork } from '../../../shared/redis/commit.ts'
import type { Entry as AnyEntry } from '../../../shared/redis/entry.ts'
import { createKeys } from '../../../shared/redis/keys.ts'
import { createLedger } from '../../../shared/redis/ledger.ts'
import { connectMailbox } from '../../../shared/redis/mailboxes.ts'
import { mergedWindowFields } from '../../../shared/redis/merged-window.ts'
import { readRun } from '../../../shared/redis/runs.ts'
import { merged } from '../../../shared/streams.ts'
import { startCluster } from '../../support/redis.ts'

/** Creates an entry of one envelope. */
type Entry = AnyEntry & { envelope: Envelope }

const ANA: MailboxId = 'gmail:ana*[x]@example.com'
const server = await startCluster()
const redis = await server.connect(server.url)
t.teardown(async () => {
  redis.disconnect()
  await server.stop()
})
t.beforeEach(async () => {
  await redis.flushall()
  await connectMailbox(redis, keys, ANA, 'history:1', 0)
  await ledger.begin({ ...envelope('begin'), body: { cause: 'request' } })
})

const keys = createKeys('test', 4)
const partition = keys.partitionOf(ANA)
const options = {
  redis,
  keys,
  consumer: 'me',
  longRunMs: 300_000,
  messageSeconds: 3600,
  resultSeconds: 3600,
  sliceSize: () => 20,
  now: () => 1_790_000_000_000,
  newRunId: () => 'next',
}
const ledger = createLedger(redis, keys, ANA, options.now)
const input = keys.stream(partition, merged.name, 'live')

t.test('a gone message is removed, and its thread is queued', async t => {
  await grouped('1', 'a', 'b')
  await release()
  await redis.set(keys.message(ANA, 'a'), '{}')
  await gone('a', 2)
  t.same(await waiting(), [{ thread: 't', ids: ['b'], fresh: [] }])
  t.equal(await redis.exists(keys.message(ANA, 'a')), 0)
  t.match(await readRun(redis, keys, partition, 'run'), { deleted: 1 })
  await gone('a', 2)
  await gone('unheard of', 2)
  t.match(await readRun(redis, keys, partition, 'run'), { deleted: 1 }, 'once, and only known messages')
})

t.test('a lost input removes no message', async t => {
  await grouped('1', 'a')
  await redis.set(keys.message(ANA, 'a'), '{}')
  const entry = await read('gone')
  await redis.xack(input, 'thread-group', entry.entryId)
  await commit(entry, { fact: 'message-gone', from: entry.envelope, thread: 't', id: 'a', page: 2 })
  t.same(await waiting(), [{ thread: 't', ids: ['a'], fresh: ['a'] }])
  t.equal(await redis.exists(keys.message(ANA, 'a')), 1)
})

t.test('a thread that changes during its release waits for the next', async t => {
  await grouped('1', 'a', 'b')
  const [before] = await ledger.pendingThreads('run', 10)
  await gone('a', 2)
  await release(before?.seen)
  const [shrunk] = await ledger.pendingThreads('run', 10)
  t.same(shrunk?.ids, ['b'])
  await relabelled('b')
  await release(shrunk?.seen)
  t.same(
    (await waiting()).flatMap(({ ids }) => ids),
    ['b'],
  )
  await release()
  t.same(await ledger.pendingThreads('run', 10), [])
})

t.test('later pages decide whether a message is gone or present', async t => {
  await gone('a', 2)
  await grouped('1', 'a', 'b')
  t.same(await waiting(), [{ thread: 't', ids: ['b'], fresh: ['b'] }])
  await grouped('3', 'a')
  t.same(await waiting(), [{ thread: 't', ids: ['b', 'a'], fresh: ['b', 'a'] }])
})

t.test('a relabelled message is cached if it is known', async t => {
  const message = {
    id: 'a',
    thread: 't',
    labels: ['Rome'],
    date: 0,
    subject: '',
    from: [],
    to: [],
    cc: [],
    snippet: '',
  }
  await relabelled('a', message)
  t.equal(await redis.exists(keys.message(ANA, 'a')), 0)
  await grouped('1', 'a')
  await relabelled('a', message)
  t.same(JSON.parse((await redis.get(keys.message(ANA, 'a'))) ?? 'null'), message)
  t.equal(await redis.ttl(keys.message(ANA, 'a')), options.messageSeconds)
})

t.test('relabelling an unknown message queues no thread', async t => {
  await relabelled('a')
  t.same(await ledger.pendingThreads('run', 10), [])
})

t.test('an empty thread expires in a week unless it gets mail', async t => {
  await grouped('1', 'a')
  await gone('a', 2)
  await release(undefined, true)
  const week = 7 * 24 * 3600
  await redis.hset(keys.thread(ANA, 't'), 'dispatched', 'v')
  t.equal(await redis.ttl(keys.thread(ANA, 't')), -1, 'a hash without fields does not exist')
  await grouped('3', 'a')
  await gone('a', 4)
  await release(undefined, true)
  t.ok(Math.abs((await redis.ttl(keys.thread(ANA, 't'))) - week) < 60)
  await grouped('5', 'a')
  t.equal(await redis.ttl(keys.thread(ANA, 't')), -1)
})

t.test('all known messages are suspected; seen ones are cleared', async t => {
  await grouped('1', 'a', 'b', 'c')
  const other = createLedger(redis, keys, 'gmail:anaxx@example.com', options.now)
  await redis.hset(keys.thread('gmail:anaxx@example.com', 'u'), 'id:z', '1')
  await ledger.suspectAll('run', 1)
  t.same(new Set((await ledger.suspects('run', 10)).map(({ id }) => id)), new Set(['a', 'b', 'c']))
  t.equal((await ledger.suspects('run', 2)).length, 2)
  const entry = await read('seen')
  await commit(entry, { fact: 'suspects-cleared', from: entry.envelope, ids: ['a', 'c', 'new'] })
  t.same(await ledger.suspects('run', 10), [{ id: 'b', thread: 't' }])
  t.same(
    await ledger.known([
      { id: 'a', thread: 't' },
      { id: 'a', thread: 'u' },
      { id: 'new', thread: 't' },
    ]),
    new Set(['a']),
  )
  t.same(await ledger.threadsOf(['c', 'new']), new Map([['c', 't']]))
  t.same(await other.threadsOf(['a', 'z']), new Map(), 'of another mailbox')
})

t.test('the thread index holds known messages and drops removed ones', async t => {
  await grouped('1', 'a', 'b', 'c')
  t.same(await ledger.threadsOf(['a', 'b', 'c', 'd']), new Map(['a', 'b', 'c'].map(id => [id, 't'])))
  await gone('a', 2)
  await verifiedGone('2', 'b')
  t.same(await ledger.threadsOf(['a', 'b', 'c']), new Map([['c', 't']]))
})

t.test('a message verified as gone stays out despite earlier pages', async t => {
  await asked('2', 'a')
  await verifiedGone('2', 'a')
  await grouped('1', 'a', 'b')
  t.same(await waiting(), [{ thread: 't', ids: ['b'], fresh: ['b'] }])
})

t.test('messages of earlier pages become suspects; those of later pages do not', async t => {
  await ledger.suspectAll('run', 3)
  await grouped('2', 'early')
  await grouped('3', 'late')
  t.same(await ledger.suspects('run', 10), [{ id: 'early', thread: 't' }])
})

t.test('a message that left is suspected until it is seen', async t => {
  const entry = await read('left')
  await commit(entry, {
    fact: 'suspected',
    from: entry.envelope,
    items: [
      { id: 'a', thread: 't' },
      { id: 'b', thread: 'u' },
    ],
  })
  await grouped('1', 'c')
  const again = await read('seen')
  await commit(again, { fact: 'suspects-cleared', from: again.envelope, ids: ['a'] })
  t.same(await ledger.suspects('run', 10), [{ id: 'b', thread: 'u' }])
})

async function waiting() {
  return (await ledger.pendingThreads('run', 10)).map(({ thread, ids, fresh }) => ({ thread, ids, fresh }))
}

async function asked(page: string, ...ids: string[]): Promise<void> {
  const entry = await read(`asked ${page}`)
  const items = ids.map(id => ({ id, thread: 't' }))
  await commit(entry, { fact: 'window-opened', from: entry.envelope, window: `verify:${page}`, context: true, items })
}

async function verifiedGone(page: string, ...ids: string[]): Promise<void> {
  const entry = await read(`verified ${page}`)
  const gone = ids.map(id => ({ id, thread: 't' }))
  const said = { context: true, items: gone.map(one => ({ ...one, fate: 'gone' as const })) }
  const window = `verify:${page}`
  await redis.hset(keys.window(partition, 'run', window), mergedWindowFields(said))
  await commit(entry, { fact: 'window-grouped', from: entry.envelope, window, ...said, fresh: [], gone })
}

async function grouped(window: string, ...ids: string[]): Promise<void> {
  const entry = await read(window)
  const fresh = ids.map(id => ({ id, thread: 't' }))
  const said = { context: false, items: fresh.map(one => ({ ...one, fate: 'fetched' as const })) }
  await redis.hset(keys.window(partition, 'run', window), mergedWindowFields(said))
  await commit(entry, { fact: 'window-grouped', from: entry.envelope, window, ...said, fresh, gone: [] })
}

async function gone(id: string, page: number): Promise<void> {
  const entry = await read('gone')
  await commit(entry, { fact: 'message-gone', from: entry.envelope, thread: 't', id, page })
}

async function relabelled(id: string, message?: Message): Promise<void> {
  const entry = await read('relabelled')
  const fact = { fact: 'message-relabelled', from: entry.envelope, thread: 't', id } as const
  await commit(entry, message ? { ...fact, message } : fact)
}

async function release(seen?: string, empty = false): Promise<void> {
  const now = seen ?? (await ledger.pendingThreads('run', 1))[0]?.seen ?? ''
  const entry = await read('release')
  await commit(entry, { fact: 'thread-released', from: entry.envelope, thread: 't', seen: now, version: 'v', empty })
}

function envelope(id: string): Envelope {
  return { id, run: 'run', mailbox: ANA, at: 0, attempt: 0, lane: 'live', body: {} }
}

async function read(id: string): Promise<Entry> {
  const text = encodeEnvelope(envelope(id))
  const entryId = await redis.xadd(input, '*', 'envelope', text)
  await redis.xgroup('CREATE', input, 'thread-group', '0', 'MKSTREAM').catch(() => undefined)
  await redis.call('XREADGROUP', 'GROUP', 'thread-group', 'me', 'STREAMS', input, '>')
  const item = envelope(id)
  const place = { key: input, entryId: entryId ?? '', stream: merged.name, lane: 'live' as const, text, deliveries: 1 }
  return { ...place, items: [item], spoiled: [], envelope: item }
}

async function commit(entry: Entry, fact: Fact): Promise<void> {
  const nothing = { deliveries: [], delays: [], parked: [], dead: [], calls: {}, units: 0 }
  await commitWork({ stage: 'thread-group', inputs: [entry], ...nothing, facts: [fact] }, options)
}
