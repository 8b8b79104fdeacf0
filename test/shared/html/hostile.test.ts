import { monitorEventLoopDelay } from 'node:perf_hooks'
import t from 'tap'
import { HOSTILE_PAGES } from '../../../bench/text/hostile.ts'
import { HOSTILE_MAILS, taskOf } from '../../../bench/text/hostile-mails.ts'
import { PAGE_LIMITS } from '../../../shared/html/limits.ts'
import { createHtmlReader } from '../../../shared/html/reader.ts'

// The goal on an idle machine is a tenth of these.
const MOST_DELAY_MS = 500
const MOST_GROWTH = 400e6
const NS_PER_MS = 1e6
const LEFT_OUT: Readonly<Record<string, object>> = {
  'ten thousand parts': { messages: [{ text: /^x/, truncated: true, omitted: { note: 'too many parts' } }] },
  'an attachment of 20 MB beside a short text': {
    messages: [{ text: 'x', truncated: false, attachments: [{ name: 'all.zip', size: 20e6 }] }],
  },
  'a text of 20 MB that was not sent along': {
    messages: [{ text: 'x', truncated: true, omitted: { note: 'too large' } }],
  },
  'thirty thousand recipients': {
    truncated: true,
    messages: [{ text: 'x', truncated: true, omitted: { people: Number }, unreadable: ['to'] }],
  },
  'a subject of 400 kB': { truncated: true, messages: [{ text: 'x', truncated: true, subject: /^s{400,998}$/ }] },
  // Nothing is left out of these but their tags.
  'nested divs': { messages: [{ text: 'deep', truncated: false }] },
  'open tables': { messages: [{ text: 'deep', truncated: false }] },
  'a long word': { messages: [{ text: /^a+$/, truncated: true, omitted: { text: Number } }] },
  ampersands: { messages: [{ text: /^&+$/, truncated: true, omitted: { text: Number } }] },
}

t.test('hostile pages never block the event loop, and each becomes text or says what is missing', async t => {
  const reader = createHtmlReader({ deadlineMs: 30_000 })
  t.teardown(() => reader.close())
  await reader.htmlToText('<p>warm')
  const before = process.memoryUsage.rss()
  const delay = monitorEventLoopDelay({ resolution: 5 })
  let most = before
  delay.enable()
  for (const [name, { html, text }] of Object.entries(HOSTILE_PAGES)) {
    const read = await reader.htmlToText(html)
    if (text !== undefined) t.ok(read.text === text, `${name}: ${read.text.slice(-20)}`)
    t.ok(read.text.length <= PAGE_LIMITS.text, `${name}: ${read.text.length} characters`)
    t.ok(read.text !== '' || read.isPart || text === '', `${name} is not lost silently`)
    t.notMatch(read.note ?? '', /ms|memory/, name)
    most = Math.max(most, process.memoryUsage.rss())
  }
  delay.disable()
  t.ok(delay.max / NS_PER_MS < MOST_DELAY_MS, `the longest pause was ${(delay.max / NS_PER_MS).toFixed(0)} ms`)
  t.ok(most - before < MOST_GROWTH, `the process grew by ${((most - before) / 1e6).toFixed(0)} MB`)
})

t.test('hostile mails never block the event loop, and each becomes a task that says what it leaves out', async t => {
  const reader = createHtmlReader({ deadlineMs: 30_000 })
  t.teardown(() => reader.close())
  await reader.htmlToText('<p>warm')
  const before = process.memoryUsage.rss()
  let most = before
  for (const [name, mail] of Object.entries(HOSTILE_MAILS)) {
    const started = process.cpuUsage()
    const task = await taskOf(mail, reader.htmlToText)
    const { user, system } = process.cpuUsage(started)
    // Of processor time, as tests share a machine. No pause is longer.
    const tookMs = (user + system) / 1000
    t.ok(tookMs < MOST_DELAY_MS, `${name}: ${tookMs.toFixed(0)} ms`)
    most = Math.max(most, process.memoryUsage.rss())
    t.equal(task.messages.length, 1, name)
    t.ok(task.budget.used <= 8000, `${name}: ${task.budget.used} tokens`)
    t.match(task, LEFT_OUT[name], name)
    if (name === 'thirty thousand recipients') {
      const [{ to, omitted } = { to: [], omitted: {} }] = task.messages
      t.equal(to.length + (omitted?.people ?? 0), 30_000, 'every recipient is written or counted')
    }
  }
  t.same(Object.keys(LEFT_OUT), Object.keys(HOSTILE_MAILS))
  t.ok(most - before < MOST_GROWTH, `the process grew by ${((most - before) / 1e6).toFixed(0)} MB`)
})
