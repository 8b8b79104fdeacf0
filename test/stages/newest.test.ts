import t from 'tap'
import type { PendingThread } from '../../shared/fact.ts'
import type { Message } from '../../shared/message.ts'
import { buildTask } from '../../shared/task/task.ts'
import { candidates, newestOf } from '../../stages/thread-group/emit-thread.ts'

const options = { tokens: 8000, promptVersion: '1', model: '' }
const mailbox = 'gmail:ana@example.com'
const all = Array.from({ length: 1500 }, (_, n) => message(n, 10 + ((n * 7919) % 180)))
const byId = new Map(all.map(one => [one.id, one]))

t.test('a long thread refetches few more messages than its task holds', async t => {
  const cached = new Map(all.slice(-1).map(one => [one.id, one]))
  const { messages, fetched, rounds } = settled(cached)
  t.ok(messages.length > 50, `${messages.length} messages`)
  t.ok(fetched <= messages.length * 1.1 + 5, `${fetched} fetched for ${messages.length}`)
  t.ok(rounds <= 6, `${rounds} rounds`)
  const task = buildTask({ mailbox, thread: 't', version: 'v', reason: 'new' }, messages, options)
  t.equal(task.messages.length, messages.length, 'all of them are in the task')
})

t.test('the chosen messages do not depend on the cache', async t => {
  const whole = settled(new Map(byId)).messages.map(({ id }) => id)
  for (const [from, to] of [
    [0, 1400],
    [1300, 1499],
    [1450, 1451],
    [1490, 1500],
    [0, 1500],
  ] as const) {
    const cached = new Map([...byId].filter(([id]) => !all.slice(from, to).some(one => one.id === id)))
    t.same(
      settled(cached).messages.map(({ id }) => id),
      whole,
      `without ${from} to ${to}`,
    )
  }
})

t.test('deferred messages are skipped, and lost ones skipped in time', async t => {
  const cached = new Map([...byId].filter(([id]) => id !== 'm1498'))
  const without = settled(cached, { omitted: ['m1498'] })
  t.equal(without.fetched, 0)
  t.notOk(without.messages.some(({ id }) => id === 'm1498'))
  const final = newestOf(pending({ contextAsked: true }), { mailbox, cached, options })
  t.ok('messages' in final && final.messages.length > 50)
})

t.test('a thread names at most as many ids as fit an entry', async t => {
  const large = { ...options, tokens: 10_000_000 }
  t.equal(candidates({ ids: all.map(({ id }) => id) }, large).length, 1000)
  const long = all.map(({ id }) => id.padEnd(2000, 'x'))
  t.ok(candidates({ ids: long }, large).join('').length <= 300_000)
  t.equal(candidates({ ids: ['x'.repeat(400_000)] }, large).length, 1, 'the newest at least')
})

// Simulates thread-group and batch-fetch together.
function settled(cached: Map<string, Message>, changes: Partial<PendingThread> = {}) {
  let fetched = 0
  for (let rounds = 0; rounds < 50; rounds += 1) {
    const found = newestOf(pending(changes), { mailbox, cached, options })
    if ('messages' in found) return { messages: found.messages, fetched, rounds }
    fetched += found.lost.length
    for (const id of found.lost) cached.set(id, byId.get(id) ?? message(0, 0))
  }
  throw new Error('the thread was never complete')
}

function pending(changes: Partial<PendingThread>): PendingThread {
  const ids = all.map(({ id }) => id).toReversed()
  const state = { seen: '', contextAsked: false, cameBack: false, known: true }
  return { thread: 't', ids, fresh: ['m1499'], omitted: [], ...state, ...changes }
}

function message(n: number, length: number): Message {
  const person = { name: 'Bo', address: 'bo@example.com' }
  const people = { from: [person], to: [person], cc: [] }
  const content = { subject: 'Hello', snippet: 'the next lines '.repeat(13).slice(0, length) }
  return { id: `m${n}`, thread: 't', labels: ['INBOX'], date: 1_790_000_000_000 + n, ...people, ...content }
}
