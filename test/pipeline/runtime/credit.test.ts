import t from 'tap'
import { createCredit } from '../../../pipeline/runtime/credit.ts'
import { samePace } from '../../../pipeline/runtime/paces.ts'
import type { Lane } from '../../../shared/envelope.ts'
import type { MailboxId } from '../../../shared/mailbox.ts'
import type { RawEntry } from '../../../shared/redis/queue.ts'

const CALLS = { size: 20, ids: 20, calls: true, waitMs: 0, concurrency: 3 } as const
const NINE_BATCHES = 9
let count = 0

t.test('a calling stage reads only what its slots can start within two calls', async t => {
  const credit = createCredit(samePace(CALLS))
  t.equal(credit.room('live'), NINE_BATCHES)
  for (let count = 0; count < NINE_BATCHES; count += 1) add(credit, `gmail:m${count}@example.com`, 1)
  t.equal(credit.room('live'), 0, 'a lone id of a mailbox is a batch of its own')
  const [first] = credit.out()
  if (first) credit.free([first])
  t.equal(credit.room('live'), 1)
})

t.test('small entries of one mailbox share batches, so more are read', async t => {
  const credit = createCredit(samePace(CALLS))
  while (credit.room('live') > 0) add(credit, 'gmail:ana@example.com', 2)
  const entries = credit.out().length
  t.ok(entries > 70 && entries <= 90, `${entries} entries of two ids, of nine batches of twenty`)
})

t.test('a full or larger slice is a batch of its own', async t => {
  const credit = createCredit(samePace(CALLS))
  while (credit.room('live') > 0) add(credit, 'gmail:ana@example.com', 20)
  t.equal(credit.out().length, NINE_BATCHES)
})

t.test('each lane has credit of its own', async t => {
  const credit = createCredit(samePace(CALLS))
  while (credit.room('bulk') > 0) add(credit, 'gmail:ana@example.com', 20, 'bulk')
  t.equal(credit.room('live'), NINE_BATCHES)
})

t.test('large entries use up credit by bytes, and any single one fits', async t => {
  const credit = createCredit(samePace({ size: 20, waitMs: 0, concurrency: 3 }))
  while (credit.room('live') > 0) add(credit, 'gmail:ana@example.com', 1, 'live', 'x'.repeat(1 << 20))
  t.equal(credit.out().length, 4, 'four mebibytes')
  credit.free(credit.out())
  t.ok(credit.room('live') > 0)
})

t.test('an entry counts once, as its own batch until its mailbox is known', async t => {
  const credit = createCredit(samePace(CALLS))
  const entry = raw()
  t.ok(credit.take(entry))
  t.notOk(credit.take(entry))
  t.equal(credit.room('live'), NINE_BATCHES - 1)
  credit.free([entry])
  credit.free([entry])
  t.equal(credit.room('live'), NINE_BATCHES)
})

t.test('a freed entry wakes a reader that waits for room', async t => {
  const credit = createCredit(samePace(CALLS))
  for (const lane of ['live', 'bulk'] as const)
    while (credit.room(lane) > 0) add(credit, 'gmail:ana@example.com', 20, lane)
  const waiting = credit.untilRoom().then(() => 'woken')
  t.equal(await Promise.race([waiting, Promise.resolve('waiting')]), 'waiting')
  credit.free(credit.out().slice(0, 1))
  t.equal(await waiting, 'woken')
})

function raw(lane: Lane = 'live', text = ''): RawEntry {
  count += 1
  return { key: 'k', entryId: `${count}-0`, stream: 'missing-ids', lane, text, deliveries: 1 }
}

function add(
  credit: ReturnType<typeof createCredit>,
  mailbox: MailboxId,
  size: number,
  lane: Lane = 'live',
  text = '',
): void {
  const entry = raw(lane, text)
  credit.take(entry)
  credit.assign(entry, mailbox, size)
}
