import t from 'tap'
import { type BatchResult, createTurns, type MailboxBatch } from '../../../pipeline/runtime/turns.ts'
import type { Lane } from '../../../shared/envelope.ts'
import type { MailboxId } from '../../../shared/mailbox.ts'
import type { Entry } from '../../../shared/redis/entry.ts'
import { type ListedId, messageIds, watchEvents } from '../../../shared/streams.ts'

const ANA: MailboxId = 'gmail:ana@example.com'
const BO: MailboxId = 'gmail:bo@example.com'
const WAIT_MS = 50
let count = 0

t.test('fifty ids in slices make batches of 20, 20 and 10 at once', async t => {
  const { add, sizes } = waiting()
  add(slice(ANA, { ids: 20, of: 50 }), slice(ANA, { ids: 20, of: 50 }), slice(ANA, { ids: 10, of: 50 }))
  t.same(sizes(), [20, 20, 10])
})

t.test('a lone message waits for nothing', async t => {
  const { add, sizes } = waiting()
  add(slice(ANA, { ids: 1, of: 1 }))
  t.same(sizes(), [1])
})

t.test('small slices of one mailbox are joined across windows to full batches', async t => {
  const { add, sizes } = waiting()
  for (let count = 0; count < 9; count += 1) add(slice(ANA, { ids: 4, of: 4, window: `${count}` }))
  t.same(sizes(), [20, 16])
})

t.test('an oversized slice is its own batch, the rest waits for the next', async t => {
  const { add, sizes } = waiting()
  add(slice(ANA, { ids: 33, of: 53 }), slice(ANA, { ids: 12, of: 53 }), slice(ANA, { ids: 8, of: 53 }))
  t.same(sizes(), [33, 20])
})

t.test('a small batch waits for the rest of its window, at most waitMs', async t => {
  const { add, sizes, turns, clock } = waiting()
  add(slice(ANA, { ids: 5, of: 30 }))
  t.same(sizes(), [])
  t.equal(turns.nextAt(), clock.now + WAIT_MS)
  add(slice(BO, { ids: 20, of: 40 }))
  t.same(sizes(), [20], 'another mailbox need not wait for it')
  clock.now += WAIT_MS
  t.same(sizes(), [5])
})

t.test('without waitMs a small batch starts at once', async t => {
  const { add, sizes } = waiting({ waitMs: 0 })
  add(slice(ANA, { ids: 5, of: 30 }))
  t.same(sizes(), [5])
})

t.test('a batch has one mailbox and lane, and mailboxes take turns', async t => {
  const { add, lots } = waiting()
  for (let count = 0; count < 3; count += 1) add(slice(ANA, { ids: 20, of: 20, window: `${count}` }))
  add(slice(BO, { ids: 20, of: 20 }))
  t.same(
    lots().map(({ mailbox }) => mailbox),
    [ANA, BO, ANA, ANA],
  )
})

t.test('the mailbox with fewest batches in work is next', async t => {
  const { add, turns, lots } = waiting()
  add(slice(ANA, { ids: 20, of: 20 }), slice(ANA, { ids: 20, of: 20, window: '2' }))
  const [first, second] = lots()
  add(slice(ANA, { ids: 20, of: 20, window: '3' }), slice(BO, { ids: 1, of: 1 }))
  t.equal(turns.next()?.mailbox, BO)
  for (const lot of [first, second]) if (lot) turns.end(lot, 'done')
  t.equal(turns.next()?.mailbox, ANA)
})

t.test('live work goes first, and bulk work at least every fourth time', async t => {
  const { add, lots } = waiting()
  for (let count = 0; count < 8; count += 1) {
    add(slice(ANA, { ids: 20, of: 20, window: `${count}` }))
    add(slice(ANA, { ids: 20, of: 20, window: `bulk ${count}`, lane: 'bulk' }))
  }
  const lanes = lots().map(({ lane }) => lane)
  t.same(lanes.slice(0, 8), ['live', 'live', 'live', 'bulk', 'live', 'live', 'live', 'bulk'])
  t.equal(lanes.length, 16)
})

t.test('a mailbox that fails has one batch in work at a time until one is done', async t => {
  const { add, turns, lots } = waiting()
  for (let count = 0; count < 5; count += 1) add(slice(ANA, { ids: 20, of: 20, window: `${count}` }))
  end(turns.next(), 'failing')
  const [one, ...more] = lots()
  t.same(more, [])
  end(one, 'done')
  t.equal(lots().length, 3)

  function end(lot: MailboxBatch<ListedId> | undefined, ending: BatchResult): void {
    if (lot) turns.end(lot, ending)
  }
})

t.test('a paused mailbox is first after its pause, and others continue', async t => {
  const { add, turns, sizes, clock } = waiting()
  add(slice(ANA, { ids: 7, of: 7 }), slice(ANA, { ids: 20, of: 20, window: '2' }))
  const lot = turns.next()
  if (lot) turns.end(lot, { pausedUntil: clock.now + 1000 })
  add(slice(BO, { ids: 3, of: 3 }))
  t.same(sizes(), [3])
  t.equal(turns.nextAt(), clock.now + 1000)
  clock.now += 1000
  t.same(sizes(), [7, 20])
})

t.test('paused mailboxes keep one batch a slot and free the rest', async t => {
  const { add, turns, sizes, clock } = waiting()
  for (let count = 0; count < 8; count += 1) add(slice(ANA, { ids: 20, of: 20, window: `${count}` }))
  t.same(turns.takePaused('live'), [], 'nothing rests')
  const lot = turns.next()
  const pausedUntil = clock.now + 1000
  if (lot) turns.end(lot, { pausedUntil })
  t.match(turns.takePaused('live'), [{ entries: { length: 5 }, pausedUntil }])
  t.same(turns.takePaused('live'), [], 'the others stay')
  clock.now = pausedUntil
  t.same(sizes(), [20, 20, 20])
})

t.test('entries without ids count as one each and start at once', async t => {
  const { add, lots } = waiting({ size: 2, ids: undefined })
  for (let count = 0; count < 3; count += 1) add({ ...slice(ANA, { ids: 1, of: 1 }), stream: watchEvents.name })
  t.same(
    lots().map(({ entries }) => entries.length),
    [2, 1],
  )
})

function waiting({
  size = 20,
  ids = 20,
  waitMs = WAIT_MS,
}: {
  size?: number
  ids?: number | undefined
  waitMs?: number
} = {}) {
  const clock = { now: 1_790_000_000_000 }
  const pace = { size, waitMs, concurrency: 3, ...(size === 2 ? {} : { ids }) }
  const turns = createTurns<ListedId>(pace, () => clock.now)
  const lots = () => {
    const found: MailboxBatch<ListedId>[] = []
    for (let lot = turns.next(); lot; lot = turns.next()) found.push(lot)
    return found
  }
  return {
    turns,
    clock,
    lots,
    sizes: () => lots().map(({ entries }) => entries.reduce((sum, { items }) => sum + items.length, 0)),
    add: (...entries: Entry<ListedId>[]) => {
      for (const entry of entries) turns.add(entry)
    },
  }
}

function slice(
  mailbox: MailboxId,
  { ids, of, window = '1', lane = 'live' }: { ids: number; of: number; window?: string; lane?: Lane },
): Entry<ListedId> {
  count += 1
  const items = Array.from({ length: ids }, (_, index) => {
    const head = { id: `run/${window}/${index}`, run: `run-${mailbox}`, mailbox, at: 0, attempt: 0, lane }
    return { ...head, body: { id: `m${index}`, thread: 't', window, index, of } }
  })
  const place = { key: 'k', entryId: `${count}-0`, stream: messageIds.name, lane, text: '', deliveries: 1 }
  return { ...place, items, spoiled: [] }
}
