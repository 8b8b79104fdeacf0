import t from 'tap'
import type { Message } from '../../../shared/message.ts'
import { ownerIn, ownerWrote } from '../../../shared/task/owner.ts'
import { taskSchema } from '../../../shared/task/schema.ts'
import { buildTask, threadVersion } from '../../../shared/task/task.ts'
import { dispatchTime, threadClass, withheldBy } from '../../../shared/task/worth.ts'

const options = { tokens: 2000, promptVersion: '1', model: '', timeZone: 'Europe/Copenhagen' }
const list = { kind: 'list', cause: 'header List-Id' } as const
const of = { mailbox: 'gmail:ana.b@gmail.com', thread: 't', version: 'v' } as const

t.test('drafts make no version and no task', async t => {
  const [mail, draft] = [message('a'), message('d', { labels: ['DRAFT'] })]
  t.equal(threadVersion([mail, draft], options), threadVersion([mail], options))
  t.equal(withheldBy([draft], ['d'], {}), 'drafts')
  t.equal(withheldBy([mail, draft], ['d'], {}), undefined)
})

t.test('automatic replies make no task, and hide no mail that has none yet', async t => {
  const [mail, reply] = [message('a'), message('r', { isAutoReply: true })]
  t.equal(withheldBy([mail, reply], ['r'], {}), 'autoReplies')
  t.equal(withheldBy([reply], [], {}), 'autoReplies')
  t.equal(withheldBy([mail, reply], ['a', 'r'], {}), undefined)
  t.equal(withheldBy([mail, reply], [], {}), undefined, 'a label was changed')
})

t.test('a thread is as old as its newest mail', async t => {
  const [old, young] = [message('a', { date: 10 }), message('b', { date: 20 })]
  t.equal(withheldBy([old], ['a'], { since: 20 }), 'tooOld')
  t.equal(withheldBy([old, young], ['b'], { since: 20 }), undefined)
  t.equal(withheldBy([old, message('d', { date: 30, labels: ['DRAFT'] })], [], { since: 20 }), 'tooOld')
})

t.test('each version starts the debounce again, up to five times its length', async t => {
  const rules = { debounceMs: 100 }
  t.equal(dispatchTime(1000, undefined, rules), 1100)
  t.equal(dispatchTime(1090, 1000, rules), 1190)
  t.equal(dispatchTime(1450, 1000, rules), 1500)
  t.equal(dispatchTime(1600, 1000, rules), 1500, 'at once')
  t.equal(dispatchTime(1000, 900, {}), 900)
})

t.test('the owner is known by every form of the address, and by sent mail', async t => {
  const sent = message('s', { labels: ['SENT'], from: [{ name: '', address: 'ana@work.example' }] })
  const isOwner = ownerIn('gmail:ana.b@gmail.com', [sent])
  for (const address of ['ana.b@gmail.com', 'AnaB+x@googlemail.com', 'ana@work.example'])
    t.ok(isOwner({ name: '', address }), address)
  for (const address of ['', 'bob@gmail.com', 'ana.b@gmail.com.example', 'anab@example.com'])
    t.notOk(isOwner({ name: 'Ana', address }), address)
  t.ok(ownerIn('outlook:ana@example.com', [])({ name: '', address: 'ana+list@example.com' }))
  t.notOk(ownerIn('outlook:a.na@example.com', [])({ name: '', address: 'ana@example.com' }))
  t.ok(ownerWrote([sent], isOwner))
  t.notOk(ownerWrote([{ ...sent, labels: ['DRAFT'] }], isOwner))
  t.notOk(ownerWrote([{ ...sent, isAutoReply: true }], isOwner), 'a vacation message is no letter')
})

t.test('a thread is personal as soon as a person wrote in it, and always where the owner did', async t => {
  const [listed, person] = [message('a', { class: list }), message('b')]
  t.same(threadClass([listed], false), list)
  t.match(threadClass([listed, person], false), { kind: 'personal' })
  t.same(threadClass([listed], true), { kind: 'personal', cause: 'the owner wrote in the thread' })
  const bounce = message('c', { class: { kind: 'automated', cause: 'header Return-Path' } })
  t.equal(threadClass([bounce, listed], false).kind, 'automated', 'the newest mail')
})

t.test('a task says who the owner is, what is new, its class, time zone and language', async t => {
  const [first, second] = [message('a', { date: 1, class: list }), message('b', { date: 2, class: list })]
  const task = buildTask(
    { ...of, reason: 'grown', fresh: ['b'] },
    [
      { ...second, contentLanguage: 'en' },
      { ...first, contentLanguage: 'de' },
    ],
    options,
  )
  t.same(taskSchema.parse(task), task)
  t.match(task, {
    participants: [
      { address: 'bo@example.com', role: 'other' },
      { address: 'ana.b@gmail.com', role: 'owner' },
    ],
    messages: [
      { id: 'a', new: false },
      { id: 'b', new: true },
    ],
    class: list,
    timeZone: 'Europe/Copenhagen',
    language: 'en',
  })
  const whole = buildTask({ ...of, reason: 'new', fresh: [], ownerWrote: true }, [second, first], options)
  t.ok(whole.messages.every(one => one.new))
  t.equal(whole.class?.kind, 'personal')
  const declared = buildTask({ ...of, reason: 'new' }, [message('a', { contentLanguage: 'da' })], options)
  t.equal(declared.language, 'da')
  t.notOk('language' in whole)
})

function message(id: string, changes: Partial<Message> = {}): Message {
  return {
    id,
    thread: 't',
    labels: ['INBOX'],
    date: 0,
    subject: 'Deck',
    from: [{ name: 'Bo', address: 'bo@example.com' }],
    to: [{ name: 'Ana', address: 'ana.b@gmail.com' }],
    cc: [],
    snippet: `hello ${id}`,
    ...changes,
  }
}
