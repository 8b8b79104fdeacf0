import t, { type Test } from 'tap'
import { encodeEnvelope, parseEnvelope } from '../../../shared/envelope.ts'
import type { Address, Message } from '../../../shared/message.ts'
import { analysisTasks } from '../../../shared/streams.ts'
import { type Task, taskSchema } from '../../../shared/task/schema.ts'
import { buildTask, type TaskThread } from '../../../shared/task/task.ts'
import { tokensOf } from '../../../shared/task/tokens.ts'

const TOKENS = 8000
const options = { tokens: TOKENS, promptVersion: '1', model: '' }
const thread: TaskThread = { mailbox: 'gmail:ana@example.com', thread: 't', version: 'v'.repeat(32), reason: 'new' }

t.test('thirty thousand recipients are cut to fit, and marked', async t => {
  const to = Array.from({ length: 30_000 }, (_, n) => person(n))
  const one = bounded(t, [message(0, { to, cc: to })])
  t.match(one, { truncated: true, messages: [{ truncated: true, text: 'hello' }] })
  const written = one.messages[0]?.to.length ?? 0
  t.ok(written > 50, 'as many as there are places')
  t.same(one.messages[0]?.to, to.slice(0, written), 'the first ones')
  t.equal(one.messages[0]?.omitted?.people, 60_000 - written, 'and a count of the others')
  t.ok(one.participants.length > 50)
  const many = bounded(
    t,
    Array.from({ length: 50 }, (_, n) => message(n, { to: to.slice(n * 500, n * 500 + 500) })),
  )
  t.ok(many.budget.omitted > 0)
  t.equal(many.messages.at(-1)?.id, 'm49')
  const few = bounded(t, [message(0, { to: to.slice(0, 20) })])
  t.match(few, { truncated: false, messages: [{ truncated: false }] })
  t.equal(few.participants.length, 21)
  t.notOk('people' in (few.messages[0]?.omitted ?? {}))
})

t.test('people and files that the message no longer has count as omitted', async t => {
  const task = bounded(t, [message(0, { to: [person(0)], more: { people: 28_000, attachments: 30 } })])
  t.match(task.messages[0], { truncated: true, omitted: { people: 28_000, attachments: 30 } })
})

t.test('a subject of hundreds of thousands of characters is cut to a line', async t => {
  const subject = `😀${'s'.repeat(400_000)}`
  const task = bounded(t, [message(0, { subject }), message(1, { subject: 'short' })])
  t.equal(task.messages[1]?.subject, 'short')
  t.match(task.messages[0], { subject: /^😀s{990,996}$/u, truncated: true })
  t.equal(task.subject, task.messages[0]?.subject)
  t.match(task, { truncated: true })
})

t.test('1,500 short mails fill a task exactly to its budget', async t => {
  const messages = Array.from({ length: 1500 }, (_, n) => message(n))
  const task = bounded(t, messages)
  t.ok(task.budget.used > 0.95 * TOKENS, `${task.budget.used}`)
  t.equal(task.messages.at(-1)?.id, 'm1499', 'the newest is there')
  t.equal(task.budget.omitted, 1500 - task.messages.length)
  t.equal(buildTask({ ...thread, older: 7 }, messages, options).budget.omitted, task.budget.omitted + 7)
})

t.test('names, labels, omitted ids and escapes are bounded too', async t => {
  const strange = 'x"\\<>'.repeat(40_000)
  const hostile = message(0, {
    subject: strange,
    from: [
      { name: strange, address: `${'a'.repeat(100_000)}@example.com` },
      { name: strange, address: 'b@example.com' },
    ],
    labels: Array.from({ length: 10_000 }, (_, n) => `Label "${n}"`).concat(strange),
    snippet: strange,
  })
  const omitted = Array.from({ length: 5000 }, (_, n) => `omitted-${n}`)
  for (const tokens of [100, 1000, TOKENS, 100_000, 10_000_000]) {
    const task = bounded(t, [hostile], { ...options, tokens }, { ...thread, omitted })
    t.match(task, { truncated: true, messages: [{ truncated: true, from: [{ address: 'b@example.com' }] }] })
    t.ok(task.omitted.length > 0 && task.labels.length > 0 && task.participants.length === 1)
    t.ok(strange.startsWith(task.messages[0]?.text ?? '-'))
  }
})

t.test("text of three-byte characters stays within the readers' limit", async t => {
  const messages = Array.from({ length: 300 }, (_, n) => message(n, { snippet: '会議'.repeat(2500) }))
  const task = bounded(t, messages, { ...options, tokens: 10_000_000 })
  t.ok(task.messages.length > 50)
})

t.test('text is cut between characters and cleaned', async t => {
  const small = { ...options, tokens: 100 }
  const cut = buildTask(thread, [message(0, { snippet: `${'a'.repeat(185)}😀${'b'.repeat(50)}` })], small)
  t.match(cut.messages, [{ text: 'a'.repeat(185), truncated: true }])
  const odd = message(0, {
    snippet: 'noon \ud83d',
    subject: 'Free\u0000',
    from: [{ name: 'B\u001bo', address: 'b@c.de' }],
  })
  t.match(buildTask(thread, [odd], options), {
    subject: 'Free',
    participants: [{ name: 'Bo' }],
    messages: [{ text: 'noon ', subject: 'Free', truncated: false }],
  })
})

t.test('a partial text is marked', async t => {
  const task = buildTask(thread, [message(0, { isPart: true }), message(1)], options)
  t.match(task.messages, [{ truncated: true }, { truncated: false }])
  t.equal(task.truncated, false)
})

t.test('messages that do not fit do not affect the others', async t => {
  const messages = Array.from({ length: 400 }, (_, n) =>
    message(n, { to: [person(n % 150)], subject: 's'.repeat((n * 37) % 200), labels: [`L${n % 60}`] }),
  )
  const task = bounded(t, messages)
  const kept = task.messages.length
  t.ok(kept > 20 && kept < 300)
  const olderIds = messages
    .slice(0, -kept)
    .toReversed()
    .map(({ id }) => id)
  const again = buildTask({ ...thread, older: 400 - kept, olderIds }, messages.slice(-kept), options)
  t.same(again, task)
})

function bounded(t: Test, messages: Message[], of = options, from = thread): Task {
  const task = buildTask(from, messages, of)
  const text = JSON.stringify(task)
  const most = Math.max(of.tokens, 1024)
  t.ok(tokensOf(text) <= most, `${tokensOf(text)} tokens, ${of.tokens} allowed`)
  const used = Math.min(of.tokens, Math.ceil(tokensOf(text)))
  t.ok(task.budget.used >= used && task.budget.used <= used + 2, 'all of the task is counted')
  t.same(taskSchema.parse(task), task)
  const head = { id: 'i'.repeat(500), run: 'r', mailbox: thread.mailbox, at: 1, attempt: 0 } as const
  const entry = encodeEnvelope({ ...head, lane: 'bulk', body: task })
  t.same(parseEnvelope(entry, analysisTasks.body).body, task, 'our own reader takes it')
  return task
}

function person(n: number): Address {
  return { name: `Person Number ${n}`, address: `person${n}@example.com` }
}

function message(n: number, changes: Partial<Message> = {}): Message {
  return {
    id: `m${n}`,
    thread: 't',
    labels: ['INBOX'],
    date: 1_790_000_000_000 + n,
    subject: 'Hello',
    from: [{ name: 'Bo', address: 'bo@example.com' }],
    to: [],
    cc: [],
    snippet: 'hello',
    ...changes,
  }
}
