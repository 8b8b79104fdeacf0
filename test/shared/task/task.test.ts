import t from 'tap'
import type { Message } from '../../../shared/message.ts'
import { taskSchema } from '../../../shared/task/schema.ts'
import { buildTask, threadVersion } from '../../../shared/task/task.ts'

const options = { tokens: 100, promptVersion: '1', model: '' }
const thread = { mailbox: 'gmail:ana@example.com' as const, thread: 't', version: 'v', reason: 'new' as const }

t.test('a version depends on messages, labels, prompt and model, in any order', async t => {
  const [a, b] = [message('a'), message('b')]
  const version = threadVersion([a, b], options)
  t.equal(threadVersion([b, a], options), version)
  t.equal(threadVersion([{ ...a, labels: ['UNREAD', 'INBOX'] }, b], options), version, 'reading a mail changes nothing')
  t.not(threadVersion([a], options), version)
  t.equal(threadVersion([a, b], { ...options, texts: false }), version, 'tasks with previews keep their version')
  t.not(threadVersion([a, b], { ...options, texts: true }), version)
  t.not(threadVersion([{ ...a, labels: ['TRASH'] }, b], options), version)
  t.not(threadVersion([a, b], { ...options, promptVersion: '2' }), version)
  t.not(threadVersion([a, b], { ...options, model: 'other' }), version)
})

t.test('a task is whole and oldest first', async t => {
  const task = buildTask(thread, [message('b', { date: 2000 }), message('a', { date: 1000 })], options)
  t.same(taskSchema.parse(task), task)
  t.same(
    task.messages.map(({ id }) => id),
    ['a', 'b'],
  )
  t.equal(task.messages[0]?.date, '1970-01-01T00:00:01.000Z')
  t.equal(task.task, 'gmail:ana@example.com/t/v')
})

t.test('people are listed once, with their known name', async t => {
  const from = (name: string) => [{ name, address: 'Bo@example.com' }]
  const task = buildTask(thread, [message('a', { from: from('') }), message('b', { from: from('Bo') })], options)
  t.same(task.participants, [{ name: 'Bo', address: 'Bo@example.com', role: 'other' }])
})

t.test('a budget keeps the newest messages, cut if necessary', async t => {
  const long = 'x'.repeat(300)
  const two = buildTask(
    thread,
    [message('old', { snippet: long, date: 1 }), message('new', { snippet: long, date: 2 })],
    options,
  )
  t.same(
    two.messages.map(({ id }) => id),
    ['new'],
  )
  t.match(two.budget, { tokens: 100, omitted: 1 })
  const one = buildTask(thread, [message('a', { snippet: 'x'.repeat(1000) })], options)
  t.equal(one.messages[0]?.text.length, 305)
  t.equal(one.messages[0]?.truncated, true)
  t.equal(one.budget.used, 100)
})

function message(id: string, changes: Partial<Message> = {}): Message {
  return {
    id,
    thread: 't',
    labels: ['INBOX'],
    date: 0,
    subject: '',
    from: [],
    to: [],
    cc: [],
    snippet: 'hello',
    ...changes,
  }
}
