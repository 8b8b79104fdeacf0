import t from 'tap'
import type { Envelope } from '../../shared/envelope.ts'
import type { Fact } from '../../shared/fact.ts'
import type { Changes, Listed } from '../../shared/mailbox.ts'
import type { Message } from '../../shared/message.ts'
import type { StageContext } from '../../shared/stage.ts'
import type { WatchEvent } from '../../shared/streams.ts'
import { listIds } from '../../stages/list-ids/list-ids.ts'

const NOTHING = { ids: [], gone: [], labels: [] }
const PLACE = { token: 'x', since: 'pinned:9:1', from: 'history:1', window: 3 }
const listed = (...ids: string[]): Listed[] => ids.map(id => ({ id, thread: `t${id}` }))

/** Handles one page of a run, with this provider answer and these suspects, and returns the outcome. */
async function outcomeOf(
  page: NonNullable<WatchEvent['page']>,
  changes: Partial<Changes>,
  suspects: readonly Listed[] = [],
  cached: readonly Message[] = [],
) {
  const put: Message[] = []
  let suspected = 0
  const event: Envelope<WatchEvent> = {
    id: 'run/page/3',
    run: 'run',
    mailbox: 'gmail:ana@example.com',
    at: 0,
    attempt: 0,
    lane: 'bulk',
    body: { cause: 'page', page },
  }
  const ctx: StageContext = {
    mailbox: {
      open: async () => ({ address: '', cursor: 'pinned:9:1' }),
      changes: async () => ({ ...NOTHING, ...changes }),
      fetch: async () => new Map(),
    } as unknown as StageContext['mailbox'],
    ledger: {
      threadsOf: async (ids: readonly string[]) =>
        new Map(ids.flatMap(id => (id.startsWith('known') ? [[id, `t${id}`] as const] : []))),
      known: async (of: readonly Listed[]) =>
        new Set(of.filter(({ id }) => id.startsWith('known')).map(({ id }) => id)),
      suspects: async (_: string, limit: number) => suspects.slice(0, limit),
      suspectAll: async () => {
        suspected += 1
      },
    } as unknown as StageContext['ledger'],
    cache: {
      get: async ids => new Map(cached.filter(({ id }) => ids.includes(id)).map(message => [message.id, message])),
      put: async messages => void put.push(...messages),
      touch: async () => new Set(),
    },
    call: { signal: new AbortController().signal, meter: () => undefined },
    task: { tokens: 1, promptVersion: '', model: '' },
    now: () => 0,
  }
  const { deliveries = [], facts = [] } = await listIds.handle({ mailbox: event.mailbox, items: [event] }, ctx)
  return {
    put,
    suspected,
    sent: deliveries.map(({ to, envelope }) => [to.name, envelope.id, envelope.body]),
    facts: facts.map(({ from: _, ...fact }) => fact as Omit<Fact, 'from'> & Record<string, unknown>),
    names: facts.map(({ fact }) => fact),
    next: facts.flatMap(fact => (fact.fact === 'page-listed' && fact.next ? [fact.next.envelope.body] : []))[0],
  }
}

t.test('a resync lists only unknown messages and clears suspects', async t => {
  const { sent, facts } = await outcomeOf(PLACE, {
    ids: listed('known1', 'new1'),
    overlaps: true,
    present: listed('known1', 'new1'),
    next: 'y',
  })
  t.match(sent, [['message-ids', 'run/3/0', { id: 'new1', of: 1, window: '3' }]])
  t.match(facts, [
    { fact: 'window-opened', items: [{ id: 'new1' }] },
    { fact: 'suspects-cleared', ids: ['known1', 'new1'] },
    { fact: 'page-listed' },
  ])
})

t.test('the cursor moves only after suspects are verified', async t => {
  const last = await outcomeOf(PLACE, { present: listed('a'), cursor: 'history:9' })
  t.same(last.names, ['suspects-cleared', 'page-listed'])
  t.match(last.next, { cause: 'page', page: { ...PLACE, token: '', window: 4, verifyThen: 'history:9' } })
  const page = { ...PLACE, token: '', verifyThen: 'history:9' }
  const some = await outcomeOf(page, {}, listed('a', 'b'))
  t.same(some.names, ['window-opened', 'suspects-cleared', 'cursor-moved', 'page-listed'])
  t.match(some.facts[2], { was: 'history:1', to: 'history:9' })
  t.match(some.sent, [
    ['missing-ids', 'run/verify:3/0', { id: 'a', verify: true }],
    ['missing-ids', 'run/verify:3/1', { id: 'b', verify: true }],
  ])
  const none = await outcomeOf(page, {})
  t.same([none.sent, none.names], [[], ['cursor-moved', 'page-listed']])
})

const message = (id: string, ...labels: string[]): Message => {
  const person = { from: [], to: [], cc: [] }
  return { id, thread: `t${id}`, labels, date: 0, subject: '', snippet: '', ...person }
}

t.test('messages on a page are cached, and relevant label changes recorded', async t => {
  const messages = [
    message('new1'),
    message('known1', 'UNREAD'),
    message('known2', 'Rome'),
    message('known3', 'Rome'),
    message('known4', 'Rome'),
  ]
  const { put, facts, sent } = await outcomeOf(
    PLACE,
    { ids: messages.map(({ id, thread }) => ({ id, thread })), messages, overlaps: true, next: 'y' },
    [],
    [message('known1'), message('known2', 'Oslo'), message('known3', 'Rome', 'STARRED')],
  )
  const [first, second, , fourth] = messages
  t.same(put, [first, second, fourth], 'but for those, which go to the cache when they are known to be other ones')
  t.match(sent, [['message-ids', 'run/3/0', { id: 'new1' }]])
  t.same(
    facts.flatMap(({ fact, message }) => (fact === 'message-relabelled' ? [message] : [])),
    [messages[2], messages[4]],
    'one that is no longer cached may have had others',
  )
})

t.test('a retried page gives the same result for relabelled mail', async t => {
  const messages = [message('known1', 'Rome')]
  const page = { ids: listed('known1'), messages, overlaps: true, next: 'y' }
  const first = await outcomeOf(PLACE, page, [], [message('known1', 'Oslo')])
  const again = await outcomeOf(PLACE, page, [], [message('known1', 'Oslo'), ...first.put])
  t.match(first.facts, [{ fact: 'message-relabelled', id: 'known1' }])
  t.same(again.facts, first.facts)
})

t.test('known or cached messages that left a folder become suspects', async t => {
  const page = { ids: listed('known2', 'new1'), left: ['known1', 'known2', 'new2', 'held1'], overlaps: true, next: 'y' }
  const { sent, facts } = await outcomeOf(PLACE, page, [], [message('held1')])
  t.match(sent, [['message-ids', 'run/3/0', { id: 'new1' }]])
  t.same(
    facts.flatMap(({ fact, items }) => (fact === 'suspected' ? [items] : [])),
    [
      [
        { id: 'known1', thread: 'tknown1' },
        { id: 'held1', thread: 'theld1' },
      ],
    ],
  )
})

t.test('known mail that is filtered now counts as gone', async t => {
  const { sent, facts } = await outcomeOf(PLACE, {
    ids: [
      { id: 'known1', thread: 'tknown1', filtered: 'labelled DRAFT' },
      { id: 'new1', thread: 'tnew1', filtered: 'labelled DRAFT' },
    ],
    overlaps: true,
    cursor: 'history:9',
  })
  t.match(facts[0], { fact: 'message-gone', id: 'known1', thread: 'tknown1' })
  t.match(sent, [['message-ids', 'run/3/0', { id: 'new1', filtered: 'labelled DRAFT' }]])
})

t.test('a reset makes all known messages suspects', async t => {
  t.equal((await outcomeOf(PLACE, { mayBeStale: true, next: 'y' })).suspected, 1)
  t.equal((await outcomeOf(PLACE, { next: 'y' })).suspected, 0)
})

t.test('a full page of suspects is followed by another', async t => {
  const many = listed(...Array.from({ length: 700 }, (_, index) => `${index}`))
  const { sent, names, next } = await outcomeOf({ ...PLACE, token: '', verifyThen: 'history:9' }, {}, many)
  t.equal(sent.length, 500)
  t.same(names, ['window-opened', 'suspects-cleared', 'page-listed'])
  t.match(next, { page: { verifyThen: 'history:9', window: 4 } })
})

t.test('changes on a page are recorded with its number', async t => {
  const { facts, sent } = await outcomeOf(PLACE, {
    gone: [{ id: 'a', thread: 'ta' }],
    labels: [
      { id: 'b', thread: 'tb', added: ['STARRED'], removed: ['UNREAD'] },
      { id: 'c', thread: 'tc', added: [], removed: ['INBOX'] },
    ],
    cursor: 'history:9',
  })
  t.same(sent, [])
  t.match(facts, [
    { fact: 'message-gone', id: 'a', thread: 'ta', page: 3 },
    { fact: 'message-relabelled', id: 'c', thread: 'tc' },
    { fact: 'cursor-moved' },
    { fact: 'page-listed' },
  ])
})

t.test('suspects are verified after the listing, unless they reappeared', async t => {
  const left = { left: ['known1', 'known2', 'other'], overlaps: true }
  const page = await outcomeOf(PLACE, { ...left, ids: listed('known2'), next: 'y' })
  t.same(page.sent, [])
  t.match(page.facts, [
    { fact: 'suspects-cleared', ids: ['known2'] },
    { fact: 'suspected', items: [{ id: 'known1', thread: 'tknown1' }] },
    { fact: 'page-listed' },
  ])
  const last = { ids: listed('known3'), overlaps: true, cursor: 'folders:9' }
  const { sent, names } = await outcomeOf(PLACE, { ...left, ...last }, listed('known1', 'known3', 'early'))
  t.match(sent, [
    ['missing-ids', 'run/verify:3/0', { id: 'known1', verify: true }],
    ['missing-ids', 'run/verify:3/1', { id: 'known2', verify: true }],
    ['missing-ids', 'run/verify:3/2', { id: 'early', verify: true }],
  ])
  t.same(names, ['suspects-cleared', 'window-opened', 'suspects-cleared', 'cursor-moved', 'page-listed'])
  const many = listed(...Array.from({ length: 700 }, (_, index) => `${index}`))
  const more = await outcomeOf(PLACE, { ...left, ...last }, many)
  t.same(more.names, ['suspects-cleared', 'suspected', 'page-listed'])
  t.match(more.next, { page: { verifyThen: 'folders:9', window: 4 } })
})
