import t from 'tap'
import type { Envelope } from '../../shared/envelope.ts'
import { encodeEntry, intoEntries } from '../../shared/slice.ts'
import { fetchedMessages, messageIds, type WatchEvent } from '../../shared/streams.ts'
import { openWindow } from '../../stages/list-ids/paging.ts'

const item: Envelope<WatchEvent> = {
  id: 'run',
  run: 'run',
  mailbox: 'outlook:bo@example.com',
  at: 1,
  attempt: 0,
  lane: 'live',
  body: { cause: 'push' },
}
const listing = { item, lane: 'live', now: 2 } as const
const ids = (count: number, length: number, threads = 1) =>
  Array.from({ length: count }, (_, n) => ({ id: `${n}`.padEnd(length, '/'), thread: `t${n % threads}` }))

t.test('an ordinary page is one window with its number', async t => {
  const { facts = [], deliveries = [] } = openWindow(listing, 3, ids(1000, 152, 10))
  t.match(facts, [{ fact: 'window-opened', window: '3', context: false }])
  t.equal(facts.length, 1)
  t.equal(deliveries.length, 1000)
  t.same(openWindow(listing, 3, []), { deliveries: [], facts: [], failed: [] })
})

t.test('a page too large for an entry becomes several windows', async t => {
  const { facts = [], deliveries = [] } = openWindow(listing, 3, ids(9000, 152))
  const windows = facts.flatMap(fact => (fact.fact === 'window-opened' ? [fact] : []))
  t.ok(windows.length > 2)
  t.same(
    windows.slice(0, 2).map(({ window }) => window),
    ['3', '3.0001'],
  )
  t.ok(
    windows.every(({ window }) => Number(window) >= 3 && Number(window) < 4),
    'they sort before the next page',
  )
  for (const { window, items } of windows) {
    const merged = JSON.stringify(items.map(one => ({ ...one, fate: 'filtered' }))).replaceAll('/', '\\/')
    t.ok(merged.length < 1_000_000, `${window}: ${merged.length}`)
    const bodies = deliveries.map(({ envelope }) => envelope.body as { window: string; index: number; of: number })
    const own = bodies.filter(body => body.window === window)
    t.same([own.length, own.at(-1)?.index, own.at(-1)?.of], [items.length, items.length - 1, items.length])
  }
  const all = windows.flatMap(({ items }) => items.map(({ id }) => id))
  t.equal(new Set(all).size, 9000, 'none is lost')
  const entries = intoEntries(
    messageIds,
    deliveries.map(({ envelope }) => envelope),
    20,
  )
  t.ok(entries.every(entry => encodeEntry(messageIds, entry).length < 1 << 20))
})

t.test('a slice with long reasons is split', async t => {
  const reason = 'r'.repeat(4000)
  const fates = ids(600, 20).map(({ id }, index) => ({
    ...item,
    id: `run/1/${index}`,
    body: { id, window: '1', index, of: 600, fate: 'dead', reason },
  }))
  const entries = intoEntries(fetchedMessages, fates)
  t.ok(entries.length > 1 && entries.every(entry => encodeEntry(fetchedMessages, entry).length < 1 << 20))
  t.same(entries.flat(), fates)
})
