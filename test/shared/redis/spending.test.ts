import t, { type Test } from 'tap'
import type { Refusal, Reservation } from '../../../shared/ai/spending.ts'
import type { Lane } from '../../../shared/envelope.ts'
import type { MailboxId } from '../../../shared/mailbox.ts'
import { createKeys } from '../../../shared/redis/keys.ts'
import { createSpending, type SpendingLimits } from '../../../shared/redis/spending.ts'
import { readSpending } from '../../../shared/redis/spending-facts.ts'
import { clusterFor } from '../../support/redis.ts'

const { redis } = await clusterFor(t)

const ANA: MailboxId = 'gmail:ana@example.com'
const BEN: MailboxId = 'gmail:ben@example.com'
const DAY_MS = 86_400_000
const MIDNIGHT = 20_000 * DAY_MS
const NOON = MIDNIGHT + DAY_MS / 2
const WINDOW_MS = 60_500

let count = 0
function ledger(limits: SpendingLimits, at = NOON) {
  count += 1
  const keys = createKeys(`spending${count}`, 2)
  const clock = { ms: at }
  const spending = createSpending({ redis, keys, limits, now: () => clock.ms })
  let tasks = 0
  const ask = (
    microUsd: number,
    of: { mailbox?: MailboxId; tokens?: number; task?: string; lane?: Lane } = {},
  ): Promise<Reservation | Refusal> => {
    tasks += 1
    return spending.reserve({ mailbox: ANA, task: `task ${tasks}`, lane: 'live', tokens: 0, microUsd, ...of })
  }
  const book = () => redis.hgetall(keys.allSpending)
  return { keys, clock, ask, book }
}

function granted(t: Test, answer: Reservation | Refusal): Reservation {
  t.equal(answer.outcome, 'go')
  if (answer.outcome === 'go') return answer
  throw new Error(`refused: ${JSON.stringify(answer)}`)
}

async function sent(t: Test, answer: Reservation | Refusal): Promise<Reservation> {
  const reservation = granted(t, answer)
  t.equal(await reservation.sent(), true)
  return reservation
}

t.test('a day holds its limit, and a settled call hands back what it did not use', async t => {
  const { ask, clock } = ledger({ dayMicroUsd: 1000 })
  const first = await sent(t, await ask(600))
  const refused = await ask(600)
  t.match(refused, { outcome: 'wait', why: 'day-budget' })
  t.ok(refused.outcome === 'wait' && refused.untilMs <= clock.ms + 200, 'the first may hand something back soon')
  t.equal(await first.settle({ microUsd: 300, tokens: 0 }), true)
  const second = await sent(t, await ask(600))
  t.equal(await second.settle({ microUsd: 600, tokens: 0 }), true)
  t.same(await ask(101), { outcome: 'wait', untilMs: MIDNIGHT + DAY_MS, why: 'day-budget' })
  granted(t, await ask(100))
  clock.ms = MIDNIGHT + DAY_MS - 1
  t.match(await ask(101), { outcome: 'wait' })
  clock.ms += 1
  granted(t, await ask(1000))
})

t.test("a mailbox holds its own limit, and a refusal by the day's book gives the mailbox's back", async t => {
  const { ask, clock } = ledger({ dayMicroUsd: 1000, mailboxMicroUsd: 700 })
  const own = await sent(t, await ask(500))
  await own.settle({ microUsd: 500, tokens: 0 })
  t.same(await ask(300), { outcome: 'wait', untilMs: MIDNIGHT + DAY_MS, why: 'mailbox-budget' })
  const other = await sent(t, await ask(400, { mailbox: BEN }))
  await other.settle({ microUsd: 400, tokens: 0 })
  t.same(await ask(150), { outcome: 'wait', untilMs: MIDNIGHT + DAY_MS, why: 'day-budget' })
  clock.ms += 1
  granted(t, await ask(100))
  t.match(await ask(101), { why: 'mailbox-budget' }, 'only what was granted counts')
})

t.test('a reserved call expires after a minute, and must be reserved again', async t => {
  const { ask, clock } = ledger({ dayMicroUsd: 1000, mailboxMicroUsd: 1000 })
  const late = granted(t, await ask(1))
  clock.ms += 60_000
  t.equal(await late.sent(), false, 'also where nobody asked in between')
  const forgotten = granted(t, await ask(1000))
  clock.ms += 59_999
  t.match(await ask(1), { outcome: 'wait' })
  clock.ms += 1
  const other = granted(t, await ask(1000, { mailbox: BEN }))
  t.equal(await forgotten.sent(), false)
  await other.release()
  granted(t, await ask(1000))
})

t.test('a sent call stays counted for the day of its reservation, settled or not', async t => {
  const { ask, clock, book } = ledger({ dayMicroUsd: 1000 }, MIDNIGHT + DAY_MS - 30_000)
  const late = granted(t, await ask(400))
  const lost = granted(t, await ask(500))
  const unknown = await sent(t, await ask(100))
  clock.ms += 31_000
  t.equal(await late.sent(), true)
  t.equal(await lost.sent(), true)
  granted(t, await ask(1000))
  await late.settle({ microUsd: 350, tokens: 0 })
  t.equal(await unknown.settle(), true)
  clock.ms += 7_300_000
  const day = (await book())['day:20000']
  t.equal(Number(day), 450, 'the costs, and the worst case of the call without a report')
  granted(t, await ask(1))
  t.equal(Number((await book())['day:20000']), 950, 'a call without a sender joins its day in full')
  await lost.settle({ microUsd: 1, tokens: 0 })
  t.equal(Number((await book())['day:20000']), 950)
  t.equal((await book())['day:20001'], undefined)
})

t.test('the book forgets days, and ends two days after its last call', async t => {
  const { ask, clock, book, keys } = ledger({ dayMicroUsd: 1000, requestsPerMinute: 10 })
  await (await sent(t, await ask(10))).settle({ microUsd: 10, tokens: 5 })
  const ttl = await redis.ttl(keys.allSpending)
  t.ok(ttl > 2 * 86_400 - 60 && ttl <= 2 * 86_400, `${ttl} s`)
  t.ok((await redis.ttl(keys.spending(ANA))) > 0)
  clock.ms += DAY_MS
  await (await sent(t, await ask(10))).settle({ microUsd: 10, tokens: 5 })
  t.match(Object.keys(await book()).filter(name => name.startsWith('day:')).length, 2)
  clock.ms += DAY_MS
  await granted(t, await ask(10)).release()
  t.same(Object.keys(await book()), ['day:20001'], 'no call, minute or older day is left')
})

t.test('more than was reserved is recorded as reported, and said', async t => {
  const { ask } = ledger({ dayMicroUsd: 1000, tokensPerMinute: 1000 })
  const dear = await sent(t, await ask(100, { tokens: 100 }))
  t.equal(await dear.settle({ microUsd: 900, tokens: 100 }), false)
  t.match(await ask(101), { outcome: 'wait', untilMs: MIDNIGHT + DAY_MS })
  const long = await sent(t, await ask(10, { tokens: 100 }))
  t.equal(await long.settle({ microUsd: 10, tokens: 900 }), false)
  t.match(await ask(1, { tokens: 1 }), { outcome: 'wait', why: 'tokens' })
})

t.test('each step can be repeated without further effect', async t => {
  const keys = createKeys('repeated', 2)
  const clock = { ms: NOON }
  const limits = { dayMicroUsd: 1000, requestsPerMinute: 3, tokensPerMinute: 100 }
  const spending = createSpending({ redis, keys, limits, now: () => clock.ms, uuid: () => 'one' })
  const of = { mailbox: ANA, task: 'a', lane: 'live' as const, microUsd: 600, tokens: 60 }
  const [first, second] = [granted(t, await spending.reserve(of)), granted(t, await spending.reserve(of))]
  t.same([await first.sent(), await second.sent()], [true, true])
  clock.ms += 10_000
  t.equal(await second.sent(), true)
  await first.settle({ microUsd: 500, tokens: 50 })
  const book = await redis.hgetall(keys.allSpending)
  await second.settle({ microUsd: 500, tokens: 50 })
  await second.settle()
  await second.release()
  t.same(await redis.hgetall(keys.allSpending), book)
  t.same(book, { 'day:20000': '500', [`minute:${NOON + WINDOW_MS}`]: '1 50' }, 'counted from when it was first sent')
  t.same(await redis.hgetall(keys.spending(ANA)), { 'day:20000': '500' })
})

t.test('waits for requests are exact', async t => {
  const { ask, clock } = ledger({ requestsPerMinute: 2 })
  await sent(t, await ask(0))
  clock.ms += 1000
  await (await sent(t, await ask(0))).settle({ microUsd: 0, tokens: 0 })
  const third = await ask(0, { task: 'third' })
  t.same(third, { outcome: 'wait', untilMs: NOON + WINDOW_MS, why: 'requests' })
  clock.ms += 1
  t.same(await ask(0, { task: 'fourth' }), { outcome: 'wait', untilMs: NOON + 1000 + WINDOW_MS, why: 'requests' })
  clock.ms = NOON + WINDOW_MS - 1
  t.match(await ask(0, { task: 'third' }), { outcome: 'wait' })
  clock.ms += 1
  granted(t, await ask(0, { task: 'third' }))
  t.match(await ask(0, { task: 'fourth' }), { outcome: 'wait' })
  clock.ms += 1000
  granted(t, await ask(0, { task: 'fourth' }))
})

t.test('tokens are reserved at their worst case and corrected', async t => {
  const { ask, clock } = ledger({ tokensPerMinute: 1000 })
  const first = await sent(t, await ask(0, { tokens: 900 }))
  const refused = await ask(0, { tokens: 900, task: 'second' })
  t.match(refused, { outcome: 'wait', why: 'tokens' })
  t.ok(refused.outcome === 'wait' && refused.untilMs < clock.ms + 1000, 'it is asked again soon')
  clock.ms += 4000
  await first.settle({ microUsd: 0, tokens: 100 })
  const second = await sent(t, await ask(0, { tokens: 900, task: 'second' }))
  await second.settle({ microUsd: 0, tokens: 900 })
  const until = { outcome: 'wait', untilMs: NOON + WINDOW_MS, why: 'tokens' }
  t.same(await ask(0, { tokens: 100, task: 'third' }), until)
  clock.ms = NOON + WINDOW_MS
  granted(t, await ask(0, { tokens: 100, task: 'third' }))
})

t.test('a worst case above the limit of a minute has a minute of its own', async t => {
  const { ask, clock } = ledger({ tokensPerMinute: 1000 })
  await (await sent(t, await ask(0, { tokens: 100 }))).settle({ microUsd: 0, tokens: 100 })
  t.same(await ask(0, { tokens: 5000, task: 'large' }), { outcome: 'wait', untilMs: NOON + WINDOW_MS, why: 'tokens' })
  t.match(await ask(0, { tokens: 100, task: 'small' }), { outcome: 'wait' }, 'small ones do not overtake it')
  clock.ms = NOON + WINDOW_MS
  const large = await sent(t, await ask(0, { tokens: 5000, task: 'large' }))
  t.equal(await large.settle({ microUsd: 0, tokens: 2000 }), true, 'it reserved 5000')
})

t.test('live calls come first, bulk ones a minute later, and the dead are not waited for', async t => {
  const { ask, clock } = ledger({ requestsPerMinute: 1 })
  await sent(t, await ask(0))
  clock.ms += 100
  t.match(await ask(0, { task: 'bulk', lane: 'bulk' }), { untilMs: NOON + WINDOW_MS })
  t.match(await ask(0, { task: 'live' }), { untilMs: NOON + WINDOW_MS })
  clock.ms = NOON + WINDOW_MS
  t.match(await ask(0, { task: 'bulk', lane: 'bulk' }), { outcome: 'wait' }, 'the live one is first')
  await sent(t, await ask(0, { task: 'live' }))
  t.match(await ask(0, { task: 'later live' }), { outcome: 'wait' })
  clock.ms += WINDOW_MS
  t.match(await ask(0, { task: 'later live' }), { outcome: 'wait' }, 'the bulk one waited for a minute longer')
  granted(t, await ask(0, { task: 'bulk', lane: 'bulk' }))

  const other = ledger({ requestsPerMinute: 1 })
  await sent(t, await other.ask(0))
  await other.ask(0, { task: 'dead' })
  other.clock.ms += WINDOW_MS + 1999
  t.match(await other.ask(0, { task: 'alive' }), { outcome: 'wait' })
  other.clock.ms += 1
  granted(t, await other.ask(0, { task: 'alive' }))
})

t.test('a call that no day can pay is refused with its remedy', async t => {
  const { ask, book } = ledger({ dayMicroUsd: 1_500_000, mailboxMicroUsd: 1_000_000 })
  await t.rejects(ask(2_000_000), {
    kind: 'misconfigured',
    message: /may cost \$2\.000000, which is more than AI_BUDGET_USD_PER_DAY=1\.5 allows .*raise it/,
  })
  await t.rejects(ask(1_000_001), /AI_BUDGET_USD_PER_MAILBOX_PER_DAY=1 /)
  t.same(await book(), {})
})

t.test("without a clock of the caller, the server's counts", async t => {
  const keys = createKeys('server', 2)
  const spending = createSpending({ redis, keys, limits: { dayMicroUsd: 10 } })
  const of = { mailbox: ANA, task: 'a', lane: 'live' as const, microUsd: 10, tokens: 1 }
  const call = await sent(t, await spending.reserve(of))
  await call.settle({ microUsd: 10, tokens: 1 })
  const [seconds] = await redis.time()
  const today = Math.floor(Number(seconds) / 86_400)
  t.same(Object.keys(await redis.hgetall(keys.allSpending)), [`day:${today}`])
  t.match(await spending.reserve(of), { outcome: 'wait', untilMs: (today + 1) * DAY_MS })
})

t.test('waiting calls are kept in order up to a number, and the last in line loses its place', async t => {
  const { ask, book, clock } = ledger({ requestsPerMinute: 1 })
  await sent(t, await ask(0))
  for (let n = 0; n < 205; n += 1) {
    clock.ms += 1
    await ask(0, { task: `bulk ${n}`, lane: 'bulk' })
  }
  const tickets = async () => Object.keys(await book()).filter(name => name.startsWith('ticket:'))
  const before = await tickets()
  t.equal(before.length, 200)
  await ask(0, { task: 'live' })
  const after = await tickets()
  t.equal(after.length, 200)
  t.equal(after.filter(name => !before.includes(name)).length, 1, 'live work takes the place of the last')
  t.notOk(
    Object.keys(await book()).some(name => name.includes('example.com')),
    'no address is in it',
  )
})

t.test('the facts say what is spent, open and waiting, and until when', async t => {
  const { ask, clock, keys } = ledger({ dayMicroUsd: 1000, mailboxMicroUsd: 900, requestsPerMinute: 3 })
  const facts = (mailbox?: MailboxId) => readSpending(redis, keys, { now: clock.ms, ...(mailbox ? { mailbox } : {}) })
  const nothing = { spentMicroUsd: 0, openMicroUsd: 0, open: 0, waiting: 0, refused: undefined }
  t.same(await facts(), nothing)
  await (await sent(t, await ask(500))).settle({ microUsd: 300, tokens: 1 })
  await sent(t, await ask(200))
  granted(t, await ask(100, { mailbox: BEN }))
  await ask(10)
  const refused = { untilMs: NOON + WINDOW_MS, why: 'requests' }
  t.same(await facts(), { spentMicroUsd: 300, openMicroUsd: 300, open: 2, waiting: 1, refused })
  t.same(await facts(ANA), { ...nothing, spentMicroUsd: 300, openMicroUsd: 200, open: 1 })
  await ask(650)
  t.match(await facts(ANA), { refused: { untilMs: MIDNIGHT + DAY_MS, why: 'budget' } })
  clock.ms = MIDNIGHT + DAY_MS
  t.same(await facts(), nothing, 'another day')
})
