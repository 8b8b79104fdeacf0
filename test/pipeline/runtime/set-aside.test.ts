import t from 'tap'
import { createMeter } from '../../../pipeline/runtime/meter.ts'
import { workOf } from '../../../pipeline/runtime/work-of.ts'
import type { Envelope } from '../../../shared/envelope.ts'
import { MailError } from '../../../shared/error.ts'
import type { Entry } from '../../../shared/redis/entry.ts'
import { type ListedId, missingIds } from '../../../shared/streams.ts'
import { batchFetch } from '../../../stages/batch-fetch.ts'
import { keepLog } from '../../faults/support.ts'

const NOW = 1_790_000_000_000
const { log } = keepLog()
const policy = { backoffFactor: 2, maxAttempts: 12, random: () => 1 }

/** Returns the outcome for an id that has failed this often since then, and fails again. */
function failing(
  error: MailError,
  {
    attempt,
    sinceMs = 0,
    isOwn = false,
    body = {},
  }: { attempt: number; sinceMs?: number; isOwn?: boolean; body?: object },
) {
  const place: ListedId = { id: 'a', thread: 't', window: '1', index: 0, of: 1, ...body }
  const head = {
    id: 'run/1/0',
    run: 'run',
    mailbox: 'gmail:ana@example.com',
    at: NOW,
    lane: 'live',
  } as const
  const item: Envelope<ListedId> = { ...head, attempt, failing: { since: NOW - sinceMs, others: false }, body: place }
  const entry = { key: 'k', entryId: '1-0', stream: missingIds.name, lane: 'live', text: '', deliveries: 1 } as const
  const entries: Entry<ListedId>[] = [{ ...entry, items: [item], spoiled: [] }]
  const options = { policy, isOwnFault: () => isOwn, meter: createMeter(), now: () => NOW, log }
  const work = workOf(batchFetch, entries, { failed: [{ item, error }] }, options)
  return { facts: work.facts.map(({ fact }) => fact), dueInMs: work.delays.map(({ dueAt }) => dueAt - NOW) }
}

const away = new MailError('unavailable', 'HTTP 500')

t.test('an id at fault is deferred at its second failure', async t => {
  t.same(failing(away, { attempt: 0, isOwn: true }), { facts: [], dueInMs: [1000] })
  t.same(failing(away, { attempt: 1, isOwn: true }), { facts: ['set-aside'], dueInMs: [] })
  t.same(failing(away, { attempt: 1 }), { facts: [], dueInMs: [2000] })
})

t.test('an id fetched with its thread is first retried alone', async t => {
  t.same(failing(away, { attempt: 1, isOwn: true, body: { ofThread: 3 } }), { facts: [], dueInMs: [2000] })
  t.same(failing(away, { attempt: 2, isOwn: true, body: { ofThread: 3 } }), { facts: ['set-aside'], dueInMs: [] })
})

t.test('an id in its window is retried twenty seconds after its first failure', async t => {
  t.same(failing(away, { attempt: 6, sinceMs: 15_000 }).dueInMs, [5000])
  t.same(failing(away, { attempt: 6, sinceMs: 25_000 }).dueInMs, [64_000], 'and from then on with growing pauses')
  const asked = new MailError('unavailable', 'HTTP 503', { retryAfterMs: 30_000 })
  t.same(failing(asked, { attempt: 3, sinceMs: 15_000 }).dueInMs, [30_000], 'but where its provider asks to wait')
})

t.test('being throttled is no failure, however long it lasts', async t => {
  const throttled = new MailError('throttled', 'HTTP 429', { retryAfterMs: 100 })
  t.same(failing(throttled, { attempt: 5, sinceMs: 90_000, isOwn: true }), { facts: [], dueInMs: [1100] })
})

t.test('a deferred id is not deferred again, its error is recorded', async t => {
  const body = { window: 'deferred:1/0' }
  t.same(failing(away, { attempt: 2, isOwn: true, body }), { facts: ['still-deferred'], dueInMs: [4000] })
})
