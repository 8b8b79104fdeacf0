import t from 'tap'
import { type Envelope, encodeEnvelope } from '../../../shared/envelope.ts'
import type { Fact } from '../../../shared/fact.ts'
import type { MailboxId } from '../../../shared/mailbox.ts'
import { type CommitOptions, commitWork, type Work } from '../../../shared/redis/commit.ts'
import type { Entry as AnyEntry } from '../../../shared/redis/entry.ts'
import { createKeys } from '../../../shared/redis/keys.ts'
import { createLedger } from '../../../shared/redis/ledger.ts'
import { connectMailbox, readMailbox } from '../../../shared/redis/mailboxes.ts'
import { mergedWindowFields } from '../../../shared/redis/merged-window.ts'
import { readRun } from '../../../shared/redis/runs.ts'
import { follow } from '../../../shared/stage.ts'
import { analysisTasks, type Fate, fetchedMessages, merged, missingIds, watchEvents } from '../../../shared/streams.ts'
import { buildTask } from '../../../shared/task/task.ts'
import { startCluster } from '../../support/redis.ts'

/** Creates an entry of one envelope. */
type Entry = AnyEntry & { envelope: Envelope }

const ANA: MailboxId = 'gmail:ana@example.com'
const server = await startCluster()
const redis = await server.connect(server.url)
t.teardown(async () => {
  redis.disconnect()
  await server.stop()
})
t.afterEach(() => server.client.flushall())

const keys = createKeys('test', 4)
const partition = keys.partitionOf(ANA)
const options: CommitOptions = {
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
const task = buildTask({ mailbox: ANA, thread: 't', version: 'v', reason: 'new' }, [], {
  tokens: 100,
  promptVersion: '1',
  model: '',
})
const input = keys.stream(partition, missingIds.name, 'live')
const output = keys.stream(partition, fetchedMessages.name, 'live')

t.test('only inputs that are still ours have effects', async t => {
  const [mine, taken] = [await read('mine'), await read('taken')]
  await redis.xack(input, 'batch-fetch', taken.entryId)
  const { acked } = await commitWork({ ...work([mine, taken]), deliveries: [mine, taken].map(fetched) }, options)
  t.same(acked, [true, false])
  t.same(await ids(output), ['mine'])
  t.equal(((await redis.xpending(input, 'batch-fetch')) as number[])[0], 0)
})

t.test('inputs of an abandoned run are acknowledged without effect', async t => {
  const [lost, other] = [await read('lost'), await read('other')]
  Object.assign(lost.envelope, { run: 'abandoned' })
  await redis.hset(keys.run(partition, 'abandoned'), 'startedAt', 1, 'abandoned', 'another')
  const { acked } = await commitWork({ ...work([lost, other]), deliveries: [lost, other].map(fetched) }, options)
  t.same(acked, [true, true])
  t.same(await ids(output), ['other'])
  t.match(await redis.hgetall(keys.run(partition, 'abandoned')), { abandoned: 'another' })
  t.equal(((await redis.xpending(input, 'batch-fetch')) as number[])[0], 0)
  const event = { ...envelope('abandoned'), run: 'abandoned', body: { cause: 'request' } }
  t.equal(await createLedger(redis, keys, ANA, options.now).begin(event), undefined, 'and it starts no more')
})

t.test('a commit sent twice takes effect once', async t => {
  const entry = await read('a')
  const again = { ...work([entry]), deliveries: [fetched(entry)] }
  await commitWork(again, options)
  t.same((await commitWork(again, options)).acked, [false])
  t.same(await ids(output), ['a'])
})

t.test('a key of a wrong type is found before anything is acknowledged', async t => {
  const entry = await read('a')
  await redis.set(output, 'a string')
  await t.rejects(
    commitWork({ ...work([entry]), deliveries: [fetched(entry)] }, options),
    /WRONGTYPE .* holds a string and should hold a stream/,
  )
  t.equal(((await redis.xpending(input, 'batch-fetch')) as number[])[0], 1, 'the input is still ours')
  await redis.del(output)
  await commitWork({ ...work([entry]), deliveries: [fetched(entry)] }, options)
  t.same(await ids(output), ['a'])
})

t.test('a full Redis refuses a commit before any write', async t => {
  const entry = await read('a')
  await redis.config('SET', 'maxmemory', '1')
  t.teardown(() => redis.config('SET', 'maxmemory', '0'))
  await t.rejects(commitWork({ ...work([entry]), deliveries: [fetched(entry)] }, options), /OOM/)
  await redis.config('SET', 'maxmemory', '0')
  t.equal(((await redis.xpending(input, 'batch-fetch')) as number[])[0], 1)
})

t.test('delayed and dead-lettered inputs are acknowledged and kept', async t => {
  const [late, bad] = [await read('late'), await read('bad')]
  const { MailError } = await import('../../../shared/error.ts')
  const error = new MailError('rejected', 'no')
  await commitWork(
    {
      ...work([late, bad]),
      delays: [{ entry: late, part: [{ ...late.envelope, attempt: 3 }], dueAt: options.now() + 5000 }],
      dead: [{ entry: bad, text: bad.text ?? '', error, unread: false }],
    },
    options,
  )
  const [member, due] = await redis.zrange(keys.delay(partition, 'batch-fetch'), '0', '-1', 'WITHSCORES')
  const [seconds = 0] = await redis.time()
  t.ok(Math.abs(Number(due) - (Number(seconds) * 1000 + 5500)) < 1000, `${due} is five seconds ahead by Redis's clock`)
  t.match(member, new RegExp(`^${input.replace(/[{}]/g, '.')}\n.*"attempt":3`))
  t.match(await redis.xrange(keys.dead(partition, 'batch-fetch'), '-', '+'), [
    [String, ['envelope', bad.text, 'stage', 'batch-fetch', 'stream', 'missing-ids', 'kind', 'rejected']],
  ])
})

t.test('a mailbox is parked once, however much of its work is parked', async t => {
  const { MailError } = await import('../../../shared/error.ts')
  const error = new MailError('unauthorized', 'connect it again')
  const events: string[] = []
  for (const id of ['a', 'b', 'c']) {
    const entry = await read(id)
    const done = await commitWork({ ...work([entry]), parked: [{ entry, part: [entry.envelope], error }] }, options)
    events.push(...done.events.map(({ event, mailbox, reason }) => `${event} ${mailbox} ${reason}`))
  }
  t.same(events, [`needs-reauth ${ANA} connect it again`])
  t.equal(await redis.llen(keys.parked(ANA)), 3)
  const reported = await redis.xrange(keys.mailboxEvents(partition), '-', '+')
  t.match(
    reported.map(([, fields]) => fields),
    [
      ['event', 'connected', 'mailbox', ANA],
      ['event', 'needs-reauth', 'mailbox', ANA, 'at', String, 'reason', 'connect it again'],
    ],
  )
  t.equal(reported.length, 2)
})

t.test('the cursor moves only from where the run found it', async t => {
  await begun()
  const moved = (was: string, to: string) => async () => {
    const entry = await read('x')
    await commitWork({ ...work([entry]), facts: [{ fact: 'cursor-moved', from: entry.envelope, was, to }] }, options)
    return (await readMailbox(redis, keys, ANA))?.cursor
  }
  t.equal(await moved('pinned:1', 'history:5')(), 'history:5')
  t.equal(await moved('pinned:1', 'history:3')(), 'history:5', 'a late one changes nothing')
})

t.test('the last fate of a window merges it, once, in listing order', async t => {
  await begun()
  const opener = await read('open')
  const items = ['a', 'b', 'c'].map(id => ({ id, thread: `t-${id}` }))
  const facts: Fact[] = [
    { fact: 'window-opened', from: opener.envelope, window: '1', context: false, items },
    { fact: 'page-listed', from: opener.envelope },
  ]
  await commitWork({ ...work([opener]), facts }, options)
  const events: string[] = []
  for (const index of [2, 0, 0, 1, 1]) {
    const entry = await read(`fate-${index}`)
    const fate = index === 1 ? 'gone' : 'fetched'
    const done = await commitWork(
      { ...work([entry]), facts: [{ fact: 'fate-known', from: entry.envelope, window: '1', index, fate }] },
      options,
    )
    events.push(...done.events.map(({ event }) => event))
  }
  const [window, ...more] = await redis.xrange(keys.stream(partition, merged.name, 'live'), '-', '+')
  t.same(more, [])
  t.match(JSON.parse(window?.[1][1] ?? ''), {
    run: 'run',
    mailbox: ANA,
    body: {
      window: '1',
      items: [
        { id: 'a', fate: 'fetched' },
        { id: 'b', fate: 'gone' },
        { id: 'c', thread: 't-c', fate: 'fetched' },
      ],
    },
  })
  t.same(events, ['run-merged'])
  t.match(await readRun(redis, keys, partition, 'run'), { listed: 3, fates: { fetched: 2, gone: 1 }, addsUp: true })
  t.equal(await redis.xlen(keys.metrics(partition, 'gmail')), 1)
})

t.test('fates outside a window complete nothing', async t => {
  await begun()
  const opener = await read('open')
  const items = ['a', 'b'].map(id => ({ id, thread: 't' }))
  const opened: Fact = { fact: 'window-opened', from: opener.envelope, window: '1', context: false, items }
  await commitWork({ ...work([opener]), facts: [opened] }, options)
  const astray = await read('astray')
  const known = (index: number): Fact => ({
    fact: 'fate-known',
    from: astray.envelope,
    window: '1',
    index,
    fate: 'gone',
  })
  await commitWork({ ...work([astray]), facts: [known(2), known(40)] }, options)
  t.same(await redis.xrange(keys.stream(partition, merged.name, 'live'), '-', '+'), [])
  t.match(await readRun(redis, keys, partition, 'run'), { listed: 2, fates: { gone: 0 } })
})

t.test('a third window waits until one of two is merged', async t => {
  await begun()
  const pages = keys.stream(partition, watchEvents.name, 'bulk')
  for (const window of ['1', '2']) {
    const entry = await read(`page-${window}`)
    const next = follow(entry.envelope, watchEvents, `after-${window}`, { cause: 'page' }, 0, 'bulk')
    const facts: Fact[] = [
      { fact: 'window-opened', from: entry.envelope, window, context: false, items: [{ id: window, thread: 't' }] },
      { fact: 'page-listed', from: entry.envelope, next },
    ]
    await commitWork({ ...work([entry]), facts }, options)
  }
  t.same(await ids(pages), ['after-1'], 'the second window was asked for, the third not')
  const entry = await read('fate')
  await commitWork(
    { ...work([entry]), facts: [{ fact: 'fate-known', from: entry.envelope, window: '1', index: 0, fate: 'cached' }] },
    options,
  )
  t.same(await ids(pages), ['after-1', 'after-2'])
})

t.test('a verifying page waits until all listed windows are grouped', async t => {
  await begun()
  const pages = keys.stream(partition, watchEvents.name, 'bulk')
  const entry = await read('last-page')
  const page = { since: '', from: '', token: '', window: 2, verifyThen: 'the end' }
  const next = follow(entry.envelope, watchEvents, 'verify', { cause: 'page', page }, 0, 'bulk')
  const items = [{ id: 'a', thread: 't' }]
  const facts: Fact[] = [
    { fact: 'window-opened', from: entry.envelope, window: '1', context: false, items },
    { fact: 'page-listed', from: entry.envelope, next },
  ]
  await commitWork({ ...work([entry]), facts }, options)
  t.same(await ids(pages), [])
  const merging = await read('fate')
  const from = merging.envelope
  await commitWork(
    { ...work([merging]), facts: [{ fact: 'fate-known', from, window: '1', index: 0, fate: 'cached' }] },
    options,
  )
  t.same(await ids(pages), [], 'merged is not known yet')
  const grouping = await read('merged')
  const known = { context: false, items: [{ id: 'a', thread: 't', fate: 'cached' as const }], fresh: items, gone: [] }
  const grouped: Fact = { fact: 'window-grouped', from: grouping.envelope, window: '1', ...known }
  await commitWork({ ...work([grouping]), facts: [grouped] }, options)
  t.same(await ids(pages), ['verify'])
})

t.test('an entry of merged that contradicts its window makes no id known', async t => {
  await begun()
  const opener = await read('open')
  const items = ['a', 'b'].map(id => ({ id, thread: 't' }))
  const opened: Fact = { fact: 'window-opened', from: opener.envelope, window: '1', context: false, items }
  await commitWork({ ...work([opener]), facts: [opened, { fact: 'page-listed', from: opener.envelope }] }, options)
  const reported = async (window: string, ...said: [id: string, thread: string, fate: Fate][]) => {
    const entry = await read(`merged-${window}`)
    const all = said.map(([id, thread, fate]) => ({ id, thread, fate }))
    const [fresh, gone] = ['fetched', 'gone'].map(fate => all.filter(item => item.fate === fate))
    const grouped: Fact = {
      fact: 'window-grouped',
      from: entry.envelope,
      window,
      context: false,
      items: all,
      fresh: fresh ?? [],
      gone: gone ?? [],
    }
    const { acked, events } = await commitWork({ ...work([entry]), facts: [grouped] }, options)
    t.same(acked, [true])
    return events.map(({ event }) => event)
  }
  const refused = async (window: string, ...said: [id: string, thread: string, fate: Fate][]) =>
    t.same(await reported(window, ...said), ['window-refused'], `${window} ${JSON.stringify(said)}`)
  await refused('1', ['a', 't', 'fetched'], ['b', 't', 'fetched'])
  for (const [index, fate] of (['fetched', 'gone'] as const).entries()) {
    const entry = await read(`fate-${index}`)
    const fact: Fact = { fact: 'fate-known', from: entry.envelope, window: '1', index, fate }
    await commitWork({ ...work([entry]), facts: [fact] }, options)
  }
  t.equal(await redis.ttl(keys.window(partition, 'run', '1')), -1, 'a window is kept until it is grouped')
  await refused('2', ['x', 't', 'fetched'])
  await refused('1')
  await refused('1', ['a', 't', 'fetched'])
  await refused('1', ['a', 't', 'fetched'], ['x', 't', 'gone'])
  await refused('1', ['a', 'u', 'fetched'], ['b', 't', 'gone'])
  await refused('1', ['a', 't', 'fetched'], ['b', 't', 'fetched'])
  await refused('1', ['a', 't', 'fetched'], ['b', 't', 'gone'], ['x', 't', 'fetched'])
  t.same(await redis.keys(`${keys.thread(ANA, '')}*`), [])
  t.same(await reported('1', ['a', 't', 'fetched'], ['b', 't', 'gone']), [])
  t.same(await redis.hkeys(keys.thread(ANA, 't')), ['id:a'])
  t.same(await reported('1', ['a', 't', 'fetched'], ['b', 't', 'gone']), [], 'a second time changes nothing')
  t.ok((await redis.ttl(keys.window(partition, 'run', '1'))) > 0)
})

t.test('a thread version becomes a task only once', async t => {
  await begun()
  const settle = async (id: string, version: string) => {
    const entry = await read(id)
    const delivery = follow(entry.envelope, analysisTasks, `${id}/task`, task, 0)
    const facts: Fact[] = [{ fact: 'thread-settled', from: entry.envelope, thread: 't', version, delivery }]
    await commitWork({ ...work([entry]), facts }, options)
  }
  await settle('first', 'v1')
  await settle('second', 'v1')
  await settle('third', 'v2')
  t.same(await ids(keys.stream(partition, analysisTasks.name, 'live')), ['first/task', 'third/task'])
  t.match(await readRun(redis, keys, partition, 'run'), { tasks: 2, unchanged: 1 })
})

t.test('a version overtaken by a newer one is not dispatched', async t => {
  await begun()
  await redis.hset(keys.thread(ANA, 't'), 'released', 'v2')
  const settle = async (id: string, version: string) => {
    const entry = await read(id)
    const delivery = follow(entry.envelope, analysisTasks, `${id}/task`, task, 0)
    await commitWork(
      { ...work([entry]), facts: [{ fact: 'thread-settled', from: entry.envelope, thread: 't', version, delivery }] },
      options,
    )
  }
  await settle('newer', 'v2')
  await settle('older', 'v1')
  t.same(await ids(keys.stream(partition, analysisTasks.name, 'live')), ['newer/task'])
})

t.test('a thread that grows during its release stays for the next', async t => {
  await begun()
  const change = async (id: string, fact: (entry: Entry) => Fact) => {
    const entry = await read(id)
    await commitWork({ ...work([entry]), facts: [fact(entry)] }, options)
  }
  const grow = async (id: string) => {
    const window = { context: false, items: [{ id, thread: 't', fate: 'fetched' as const }] }
    await redis.hset(keys.window(partition, 'run', id), mergedWindowFields(window))
    await change(id, entry => ({
      fact: 'window-grouped',
      window: id,
      from: entry.envelope,
      ...window,
      fresh: [{ id, thread: 't' }],
      gone: [],
    }))
  }
  const ledger = createLedger(redis, keys, ANA, options.now)
  const release = (seen: string) =>
    change(`release-${seen}`, entry => ({
      fact: 'thread-released',
      from: entry.envelope,
      thread: 't',
      seen,
      version: 'v',
    }))
  await grow('a')
  const [before] = await ledger.pendingThreads('run', 10)
  await grow('b')
  await release(before?.seen ?? '')
  const [after] = await ledger.pendingThreads('run', 10)
  t.match(after, { ids: ['a', 'b'], fresh: ['a', 'b'] })
  await release(after?.seen ?? '')
  t.same(await ledger.pendingThreads('run', 10), [])
})

t.test('begin is repeatable, and a forgotten run blocks no other', async t => {
  await connectMailbox(redis, keys, ANA, 'pinned:1', 0)
  const ledger = createLedger(redis, keys, ANA, options.now)
  const event = (run: string) => ({ ...envelope(run), run, body: { cause: 'request' } })
  t.match(await ledger.begin(event('first')), { cursor: 'pinned:1', synced: false })
  t.match(await ledger.begin(event('first')), { cursor: 'pinned:1' })
  t.equal(await ledger.begin(event('second')), undefined)
  await redis.hset(keys.run(partition, 'first'), 'endedAt', '1')
  t.equal(await ledger.begin(event('second')), undefined, "its work is the next run's by now")
  t.match(await ledger.begin(event('third')), { cursor: 'pinned:1' })
  await redis.hset(keys.mailbox(ANA), 'cursor', 'history:2', 'synced', '1')
  await redis.del(keys.run(partition, 'third'))
  t.match(
    await ledger.begin(event('fourth')),
    { cursor: 'pinned:1', synced: false, heals: true },
    'it resets the cursor',
  )
  t.match(await ledger.begin(event('fourth')), { cursor: 'pinned:1', heals: true })
  t.match(await readMailbox(redis, keys, ANA), { activeRun: 'fourth' })
})

async function begun(): Promise<void> {
  await connectMailbox(redis, keys, ANA, 'pinned:1', 0)
  await createLedger(redis, keys, ANA, options.now).begin({ ...envelope('e'), body: { cause: 'request' } })
}

function envelope(id: string): Envelope {
  return {
    id,
    run: 'run',
    mailbox: ANA,
    at: 0,
    attempt: 0,
    lane: 'live',
    body: { id, thread: 't', window: '1', index: 0, of: 1 },
  }
}

/** Writes an entry to the input and reads it in the group, as batch-fetch does. */
async function read(id: string): Promise<Entry> {
  await connectMailbox(redis, keys, ANA, 'pinned:1', 0)
  const text = encodeEnvelope(envelope(id))
  const entryId = await redis.xadd(input, '*', 'envelope', text)
  await redis.xgroup('CREATE', input, 'batch-fetch', '0', 'MKSTREAM').catch(() => undefined)
  await redis.call('XREADGROUP', 'GROUP', 'batch-fetch', 'me', 'STREAMS', input, '>')
  const item = envelope(id)
  const place = {
    key: input,
    entryId: entryId ?? '',
    stream: missingIds.name,
    lane: 'live' as const,
    text,
    deliveries: 1,
  }
  return { ...place, items: [item], spoiled: [], envelope: item }
}

function fetched({ envelope: from }: Entry) {
  return follow(
    from,
    fetchedMessages,
    from.id,
    { id: from.id, window: '1', index: 0, of: 1, fate: 'fetched' as const },
    0,
  )
}

function work(inputs: readonly Entry[]): Work {
  return {
    stage: 'batch-fetch',
    inputs,
    deliveries: [],
    facts: [],
    delays: [],
    parked: [],
    dead: [],
    calls: {},
    units: 0,
  }
}

async function ids(stream: string): Promise<string[]> {
  const entries = await redis.xrange(stream, '-', '+')
  return entries.map(([, fields]) => (JSON.parse(fields[1] ?? '') as Envelope).id)
}
