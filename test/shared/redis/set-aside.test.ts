import t from 'tap'
import { type Envelope, encodeEnvelope } from '../../../shared/envelope.ts'
import type { DeferredNote, Fact } from '../../../shared/fact.ts'
import type { MailboxId } from '../../../shared/mailbox.ts'
import { commitWork } from '../../../shared/redis/commit.ts'
import { readDeferred } from '../../../shared/redis/deferred.ts'
import type { Entry } from '../../../shared/redis/entry.ts'
import { createKeys } from '../../../shared/redis/keys.ts'
import { createLedger } from '../../../shared/redis/ledger.ts'
import { connectMailbox } from '../../../shared/redis/mailboxes.ts'
import { readRun } from '../../../shared/redis/runs.ts'
import type { StageName } from '../../../shared/stage.ts'
import { type Fate, type ListedId, missingIds } from '../../../shared/streams.ts'
import { setAside } from '../../../shared/windows/deferred.ts'
import { clusterFor } from '../../support/redis.ts'

const ANA: MailboxId = 'gmail:ana@example.com'
const NOW = 1_790_000_000_000
const { redis } = await clusterFor(t)
const keys = createKeys('test', 1)
const ledger = createLedger(redis, keys, ANA, () => NOW)
const input = keys.stream('p00', missingIds.name, 'live')
const delays = keys.delay('p00', 'batch-fetch')
const note: DeferredNote = {
  id: 'a',
  thread: 't',
  stage: 'batch-fetch',
  kind: 'unavailable',
  reason: 'HTTP 500',
  since: NOW,
  attempts: 2,
}

t.beforeEach(async () => {
  await connectMailbox(redis, keys, ANA, 'history:1', 0)
  await ledger.begin({ ...listed('run'), body: { cause: 'request' } })
  await done('list-ids', item => [
    {
      fact: 'window-opened',
      from: item,
      window: '1',
      context: false,
      items: [
        { id: 'a', thread: 't' },
        { id: 'b', thread: 't' },
      ],
    },
    { fact: 'page-listed', from: item },
  ])
})

t.test('an item deferred twice waits and counts once', async t => {
  await settled('1', 1, 'fetched')
  await done('batch-fetch', asideOf)
  await settled('1', 0, 'deferred')
  await done('batch-fetch', asideOf)
  t.equal(await redis.zcard(delays), 1)
  t.match(await readDeferred(redis, keys, ANA), [{ id: 'a', run: 'run', window: 'deferred:1/0', reason: 'HTTP 500' }])
  t.match(await readRun(redis, keys, 'p00', 'run'), { listed: 2, fates: { fetched: 1, deferred: 1 }, addsUp: true })
})

t.test('an item with a fate is not deferred', async t => {
  await settled('1', 0, 'fetched')
  await done('batch-fetch', asideOf)
  t.equal(await redis.zcard(delays), 0)
  t.same(await readDeferred(redis, keys, ANA), [])
  t.equal(await redis.exists(keys.window('p00', 'run', 'deferred:1/0')), 0)
})

t.test('a consumer that lost an item cannot defer it', async t => {
  const entry = await read('batch-fetch')
  await redis.xack(input, 'batch-fetch', entry.entryId)
  await commit('batch-fetch', entry, asideOf)
  t.equal(await redis.zcard(delays), 0)
})

t.test('a run ends without a deferred item and again with its fate', async t => {
  await settled('1', 1, 'fetched')
  await done('batch-fetch', asideOf)
  await settled('1', 0, 'deferred')
  await grouped('1', 'b')
  await release()
  t.match(await readRun(redis, keys, 'p00', 'run'), {
    endedAt: Number,
    fates: { fetched: 1, deferred: 1 },
    addsUp: true,
  })
  t.equal(await redis.ttl(keys.run('p00', 'run')), -1, 'because its item has yet to return')
  const [pending] = await ledger.pendingThreads('run', 10)
  t.equal(pending, undefined)

  await settled('deferred:1/0', 0, 'fetched')
  await settled('deferred:1/0', 0, 'dead')
  t.match(await readRun(redis, keys, 'p00', 'run'), {
    endedAt: undefined,
    fates: { fetched: 2, deferred: 0, dead: 0 },
    addsUp: true,
  })
  await grouped('deferred:1/0', 'a')
  t.match(await ledger.pendingThreads('run', 10), [{ thread: 't', ids: ['b', 'a'], fresh: ['a'], omitted: [] }])
  await release()
  t.match(await readRun(redis, keys, 'p00', 'run'), { endedAt: Number })
  t.ok((await redis.ttl(keys.run('p00', 'run'))) > 0)
  t.same(await readDeferred(redis, keys, ANA), [])
})

t.test('a fate that precedes the deferral is counted correctly', async t => {
  await done('batch-fetch', asideOf)
  await settled('deferred:1/0', 0, 'dead')
  await settled('1', 1, 'fetched')
  await settled('1', 0, 'deferred')
  t.match(await readRun(redis, keys, 'p00', 'run'), { fates: { fetched: 1, deferred: 0, dead: 1 }, addsUp: true })
})

t.test('the first window counts a deferred item as deferred, whatever it is reported as', async t => {
  await settled('1', 1, 'fetched')
  await done('batch-fetch', asideOf)
  // Another process had the same entry, and fetched the message after all.
  await settled('1', 0, 'fetched')
  t.match(await readRun(redis, keys, 'p00', 'run'), { fates: { fetched: 1, deferred: 1 }, addsUp: true })
  await settled('deferred:1/0', 0, 'fetched')
  t.match(await readRun(redis, keys, 'p00', 'run'), { fates: { fetched: 2, deferred: 0 }, addsUp: true })
})

t.test('a deferral that failed midway counts for nothing until it is repeated', async t => {
  await settled('1', 1, 'fetched')
  // A script that fails after its first writes leaves the window of the item, and no word of it in the run.
  const own = keys.window('p00', 'run', 'deferred:1/0')
  await redis.hset(own, { of: '1', context: '0', items: JSON.stringify([['a', 't']]) })
  await settled('deferred:1/0', 0, 'fetched')
  t.match(await readRun(redis, keys, 'p00', 'run'), { fates: { fetched: 1, deferred: 0 } })
  await done('batch-fetch', asideOf)
  await settled('1', 0, 'deferred')
  await settled('deferred:1/0', 0, 'fetched')
  t.match(await readRun(redis, keys, 'p00', 'run'), { fates: { fetched: 2, deferred: 0 }, addsUp: true })
})

function listed(id: string): Envelope<ListedId> {
  const body = { id: 'a', thread: 't', window: '1', index: 0, of: 2 }
  return { id, run: 'run', mailbox: ANA, at: NOW, attempt: 0, lane: 'live', body }
}

function asideOf(item: Envelope<ListedId>): Fact[] {
  return [setAside(item, missingIds, { dueAt: NOW + 1000, now: NOW, note })]
}

function settled(window: string, index: number, fate: Fate) {
  return done('merge', item => [{ fact: 'fate-known', from: item, window, index, fate }])
}

const ITEMS: Record<string, { id: string; thread: string; fate: Fate }[]> = {
  '1': [
    { id: 'a', thread: 't', fate: 'deferred' },
    { id: 'b', thread: 't', fate: 'fetched' },
  ],
  'deferred:1/0': [{ id: 'a', thread: 't', fate: 'fetched' }],
}

function grouped(window: string, id: string) {
  return done('thread-group', item => [
    {
      fact: 'window-grouped',
      from: item,
      window,
      context: false,
      items: ITEMS[window] ?? [],
      fresh: [{ id, thread: 't' }],
      gone: [],
    },
    ...(window === '1' ? [] : [{ fact: 'deferral-ended', from: item, thread: 't', id } as const]),
  ])
}

async function release() {
  const [thread] = await ledger.pendingThreads('run', 10)
  return done('thread-group', item => [
    { fact: 'thread-released', from: item, thread: 't', seen: thread?.seen ?? '', version: 'v' },
    { fact: 'release-handled', from: item },
  ])
}

async function done(stage: StageName, facts: (item: Envelope<ListedId>) => Fact[]) {
  await commit(stage, await read(stage), facts)
}

let count = 0

async function read(stage: StageName): Promise<Entry<ListedId>> {
  count += 1
  const item = listed(`run/1/${count}`)
  await redis.xgroup('CREATE', input, stage, '$', 'MKSTREAM').catch(() => undefined)
  await redis.xgroup('SETID', input, stage, '$')
  const entryId = (await redis.xadd(input, '*', 'envelope', encodeEnvelope(item))) ?? ''
  await redis.xreadgroup('GROUP', stage, 'me', 'COUNT', 1, 'STREAMS', input, '>')
  return {
    key: input,
    entryId,
    stream: missingIds.name,
    lane: 'live',
    text: '',
    deliveries: 1,
    items: [item],
    spoiled: [],
  }
}

async function commit(stage: StageName, entry: Entry<ListedId>, facts: (item: Envelope<ListedId>) => Fact[]) {
  const [item] = entry.items
  const work = { stage, inputs: [entry], deliveries: [], delays: [], parked: [], dead: [], calls: {}, units: 0 }
  const options = {
    consumer: 'me',
    longRunMs: 300_000,
    messageSeconds: 3600,
    resultSeconds: 3600,
    sliceSize: () => 20,
    newRunId: () => 'next',
  }
  await commitWork({ ...work, facts: item ? facts(item) : [] }, { redis, keys, now: () => NOW, ...options })
}
