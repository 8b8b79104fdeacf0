import t from 'tap'
import type { Envelope } from '../../../shared/envelope.ts'
import { askContext } from '../../../shared/windows/refetch.ts'

const item: Envelope = {
  id: 'run/release/1',
  run: 'run',
  mailbox: 'gmail:ana@example.com',
  at: 1,
  attempt: 0,
  lane: 'live',
  body: {},
}

t.test('lost messages are requested in windows of at most 500', async t => {
  const wanted = Array.from({ length: 1100 }, (_, n) => ({ id: `m${n}`, thread: `t${n % 3}` }))
  const { deliveries = [], facts = [] } = askContext(item, wanted, 2)
  const windows = facts.flatMap(fact => (fact.fact === 'window-opened' ? [fact] : []))
  t.same(
    windows.map(({ context, items }) => [context, items.length]),
    [
      [true, 500],
      [true, 500],
      [true, 100],
    ],
  )
  t.same(
    windows.flatMap(({ items }) => items),
    wanted,
  )
  t.equal(new Set(deliveries.map(({ envelope }) => envelope.id)).size, 1100)
  for (const { window, items } of windows) {
    const sent = deliveries.map(({ envelope }) => envelope.body as Record<string, unknown>)
    t.same(
      sent.filter(body => body.window === window),
      items.map((one, index) => {
        const ofThread = items.filter(({ thread }) => thread === one.thread).length
        return { ...one, window, index, of: items.length, ofThread }
      }),
    )
  }
  t.same(facts.filter(({ fact }) => fact === 'context-asked').length, 1, 'its threads are named once')
})

t.test('without losses nothing is requested', async t => {
  t.same(askContext(item, [], 2), {})
})
