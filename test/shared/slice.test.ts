import fc from 'fast-check'
import t from 'tap'
import { type Envelope, encodeEnvelope } from '../../shared/envelope.ts'
import { encodeEntry, intoEntries, openEntry } from '../../shared/slice.ts'
import { type ListedId, messageIds, type WatchEvent, watchEvents } from '../../shared/streams.ts'

type Item = Envelope<ListedId>

t.test('fifty ids make slices of 20, 20 and 10, in order', async t => {
  const slices = intoEntries(messageIds, listed(50), 20)
  t.same(
    slices.map(slice => slice.map(({ body }) => body.index)),
    [range(0, 20), range(20, 40), range(40, 50)],
  )
})

t.test('whole threads stay together, and small ones fill the gaps', async t => {
  const slices = intoEntries(messageIds, ofThreads([7, 7, 7, 1, 1, 1, 1, 1, 1]), 14)
  t.same(
    slices.map(slice => slice.length),
    [14, 13],
  )
  t.same(tornThreads(slices), [])
})

t.test('whole threads may enlarge a slice but never add one', async t => {
  const slices = intoEntries(messageIds, ofThreads([7, 7, 7, 7, 7, 7, 7, 1]), 20)
  t.equal(slices.length, 3)
  t.same(tornThreads(slices), [])
  t.same(
    intoEntries(messageIds, ofThreads([130]), 20).map(slice => slice.length),
    [130],
  )
})

t.test('every id is in one slice, and no thread is split', async t => {
  const check = () =>
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 60 }),
        fc.integer({ min: 1, max: 100 }),
        (threads, size) => {
          const items = ofThreads(threads)
          const slices = intoEntries(messageIds, items, size)
          const ids = slices.flat().map(({ id }) => id)
          return (
            ids.length === items.length &&
            new Set(ids).size === items.length &&
            tornThreads(slices).length === 0 &&
            slices.length <= Math.ceil(items.length / size)
          )
        },
      ),
    )
  t.doesNotThrow(check)
})

t.test('ids of different kinds never share a slice', async t => {
  const [one, two, three, four, five, six] = listed(6)
  if (!one || !two || !three || !four || !five || !six) throw new Error('six are listed')
  const others: Item[] = [
    { ...two, body: { ...two.body, window: '2' } },
    { ...three, lane: 'bulk' },
    { ...four, attempt: 1 },
    { ...five, id: `${five.id}~replay-1` },
    { ...six, body: { ...six.body, filtered: 'SPAM' } },
  ]
  t.equal(intoEntries(messageIds, [one, ...others], 20).length, 6)
})

t.test('without a size a slice stays whole', async t => {
  t.equal(intoEntries(messageIds, listed(33)).length, 1)
})

t.test('a slice is read as its ids, each under its own id', async t => {
  const [first, ...rest] = listed(3)
  if (!first) throw new Error('three are listed')
  const text = encodeEntry(messageIds, [first, ...rest])
  t.match(JSON.parse(text), { v: 2, body: { window: '1', of: 3, ids: { length: 3 } } })
  t.same(openEntry(messageIds, text), { items: [first, ...rest], spoiled: [] })
})

t.test('each id of a replay names the id it replays', async t => {
  const items = listed(2).map((item): Item => ({ ...item, id: `${item.id}~replay-2`, replayOf: item.id }))
  const [first, ...rest] = items
  if (!first) throw new Error('two are listed')
  t.same(openEntry(messageIds, encodeEntry(messageIds, [first, ...rest])).items, items)
})

t.test('entries of other streams hold one envelope each', async t => {
  const { body: _, ...head } = listed(1)[0] ?? { body: undefined }
  const event = { ...head, body: { cause: 'request' } } as Envelope<WatchEvent>
  t.same(intoEntries(watchEvents, [event, event], 20), [[event], [event]])
  t.same(openEntry(watchEvents, encodeEntry(watchEvents, [event])).items, [event])
})

t.test('an entry of version 1 holds one id', async t => {
  const [item] = listed(1)
  t.same(openEntry(messageIds, encodeEnvelope(item as Item)).items, [item])
})

t.test('an unreadable id does not affect the rest of its slice', async t => {
  const [first, ...rest] = listed(4)
  if (!first) throw new Error('four are listed')
  const entry = JSON.parse(encodeEntry(messageIds, [first, ...rest]))
  delete entry.body.ids[1].thread
  delete entry.body.ids[2].index
  const { items, spoiled } = openEntry(messageIds, JSON.stringify(entry))
  t.same(items, [first, rest[2]])
  t.match(spoiled, [{ item: { id: 'run/1/1', body: { index: 1, of: 4 } } }, { item: undefined }])
  for (const [place, { text, error }] of spoiled.entries()) {
    t.same(JSON.parse(text).body.ids, [entry.body.ids[place + 1]], 'it stays unchanged')
    t.match(error, { kind: 'unparsable' })
  }
})

t.test('a place outside its window is spoiled without an item', async t => {
  const [first, second] = listed(2)
  if (!first || !second) throw new Error('two are listed')
  for (const index of [-1, 2, 40]) {
    const astray = { ...second, body: { ...second.body, index } }
    const { items, spoiled } = openEntry(messageIds, encodeEntry(messageIds, [first, astray]))
    t.same(items, [first])
    t.match(spoiled, [{ error: { message: `place ${index} lies outside its window of 2` }, item: undefined }])
  }
})

t.test('garbage is spoiled as a whole', async t => {
  for (const text of ['', 'no JSON', 'null', '[1]', '{"v":1}', JSON.stringify({ v: 9, body: { ids: 3 } })])
    t.match(openEntry(messageIds, text), {
      items: [],
      spoiled: [{ text, error: { kind: 'unparsable' }, item: undefined }],
    })
})

function listed(count: number): Item[] {
  return ofThreads(Array.from({ length: count }, () => 1))
}

/** Returns ids of threads of these sizes, thread by thread. */
function ofThreads(sizes: readonly number[]): Item[] {
  const threads = sizes.flatMap((size, thread) => Array.from({ length: size }, () => `t${thread}`))
  return threads.map((thread, index): Item => {
    const body = { id: `m${index}`, thread, window: '1', index, of: threads.length }
    const head = { id: `run/1/${index}`, run: 'run', mailbox: 'gmail:ana@example.com' } as const
    return { ...head, at: 1, attempt: 0, lane: 'live', body }
  })
}

function tornThreads(slices: readonly Item[][]): string[] {
  const places = new Map<string, Set<number>>()
  for (const [place, slice] of slices.entries()) {
    for (const { body } of slice) places.set(body.thread, (places.get(body.thread) ?? new Set()).add(place))
  }
  return [...places].flatMap(([thread, of]) => (of.size > 1 ? [thread] : []))
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index)
}
