import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { promisify } from 'node:util'
import type { Worker } from 'node:worker_threads'
import t from 'tap'
import { createHtmlReader } from '../../../shared/html/reader.ts'

const STUCK = new URL('./stuck-thread.js', import.meta.url)
const READER = new URL('../../../shared/html/reader.js', import.meta.url)
const run = promisify(execFile)

t.test('pages that are requested together are answered in their order', async t => {
  const reader = createHtmlReader()
  t.teardown(() => reader.close())
  const pages = Array.from({ length: 300 }, (_, index) => `<p>mail ${index}</p>${' '.repeat(20_000)}`)
  const read = await Promise.all(pages.map(reader.htmlToText))
  t.same(
    read.map(({ text }) => text),
    pages.map((_, index) => `mail ${index}`),
  )
})

t.test('a page that takes for ever is answered with a note, and costs no other page', async t => {
  const reader = createHtmlReader({ program: STUCK, deadlineMs: 300 })
  t.teardown(() => reader.close())
  const [first, second, third, fourth] = await Promise.all(['a', 'forever', 'b', 'forever'].map(reader.htmlToText))
  t.match([first, third], [{ text: 'text of a' }, { text: 'text of b' }])
  const late = { text: '', hidden: 0, isPart: true, note: 'this page takes more than 300 ms to read' }
  t.same([second, fourth], [late, late])
  t.match(await reader.htmlToText('c'), { text: 'text of c' })
})

t.test('a page that takes all memory is answered with a note', async t => {
  const reader = createHtmlReader({ program: STUCK, deadlineMs: 60_000 })
  t.teardown(() => reader.close())
  let most = 0
  const before = process.memoryUsage.rss()
  const watch = setInterval(() => {
    most = Math.max(most, process.memoryUsage.rss() - before)
  }, 5)
  t.teardown(() => clearInterval(watch))
  const [eater, other] = await Promise.all(['memory', 'a'].map(reader.htmlToText))
  t.match(eater, { text: '', isPart: true, note: 'this page takes too much memory' })
  t.match(other, { text: 'text of a' })
  t.ok(most < 400e6, `the process grew by ${(most / 1e6).toFixed(0)} MB`)
})

t.test('a thread that cannot start loses no mail: its pages are rejected, to be tried again', async t => {
  const reader = createHtmlReader({ program: new URL('./missing.js', import.meta.url) })
  t.teardown(() => reader.close())
  for (let turn = 0; turn < 2; turn++) await t.rejects(reader.htmlToText('a'), /did not start/)
})

t.test('closing rejects pages without an answer, and later ones', async t => {
  const reader = createHtmlReader({ program: STUCK })
  const asked = [reader.htmlToText('forever'), reader.htmlToText('a')]
  const outcomes = Promise.allSettled(asked)
  await new Promise(resolve => setImmediate(resolve))
  await reader.close()
  t.match(await outcomes, [{ status: 'rejected' }, { status: 'rejected' }])
  await t.rejects(reader.htmlToText('a'), /this process stops/)
})

t.test('the thread starts with the first page, ends when idle, and starts again', async t => {
  // An idle thread does not keep this process alive.
  const alive = setInterval(() => undefined, 1000)
  t.teardown(() => clearInterval(alive))
  const started: Worker[] = []
  const onWorker = (worker: Worker) => void started.push(worker)
  process.on('worker', onWorker)
  t.teardown(() => process.off('worker', onWorker))
  const reader = createHtmlReader({ idleMs: 50, deadlineMs: 60_000 })
  t.teardown(() => reader.close())
  await new Promise(resolve => setImmediate(resolve))
  t.equal(started.length, 0)
  for (const count of [1, 2]) {
    t.match(await reader.htmlToText('<p>a'), { text: 'a' })
    t.equal(started.length, count)
    const last = started.at(-1)
    if (last && last.threadId > 0) await once(last, 'exit')
  }
})

t.test('an idle thread keeps no process alive, and a busy one does', async t => {
  const program = `
    const { createHtmlReader } = await import(${JSON.stringify(READER.href)})
    createHtmlReader().htmlToText('<p>done').then(({ text }) => process.stdout.write(text))`
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', program], { timeout: 60_000 })
  t.equal(stdout, 'done')
})
