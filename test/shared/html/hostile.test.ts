import { monitorEventLoopDelay } from 'node:perf_hooks'
import t from 'tap'
import { HOSTILE_PAGES } from '../../../bench/text/hostile.ts'
import { PAGE_LIMITS } from '../../../shared/html/limits.ts'
import { createHtmlReader } from '../../../shared/html/reader.ts'

// The goal on an idle machine is a tenth of these.
const MOST_DELAY_MS = 500
const MOST_GROWTH = 400e6
const NS_PER_MS = 1e6

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
