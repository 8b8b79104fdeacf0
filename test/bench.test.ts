import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const BENCH = fileURLToPath(new URL('../bench/main.js', import.meta.url))

async function bench(...words: string[]) {
  const child = spawn(process.execPath, [BENCH, ...words], { stdio: ['ignore', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', chunk => {
    stdout += chunk
  })
  child.stderr.on('data', chunk => {
    stderr += chunk
  })
  const [code] = await once(child, 'close')
  return { code, stdout, stderr }
}

t.test('fifty messages are read at least ten times as fast as one by one, with four calls instead of 51', async t => {
  const { stdout } = await bench('sync', '--json', '--profile', 'live')
  const { live } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}')
  t.match(live, { n1Calls: 51, oursCalls: 4, n1Seconds: Number, oursSeconds: Number, criticalPathSeconds: Number })
  t.ok(live.ratio >= 10, `${live.ratio} times`)
})

t.test('mail to many mailboxes at once is read, and its calls and units are counted at the simulator', async t => {
  const { code, stdout, stderr } = await bench(
    'many',
    '--mailboxes',
    '6',
    '--messages',
    '25',
    '--only',
    'many',
    '--json',
  )
  t.equal(code, 0, stderr)
  const figures = JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}')
  t.match(figures, { mailboxes: 6, idealCalls: 3, seconds: Number, criticalPathSeconds: Number, ratio: Number })
  t.ok(figures.callsPerMailbox >= 3, `${figures.callsPerMailbox} calls`)
  t.ok(figures.unitsRatio >= 1, `${figures.unitsRatio} times the units`)
})

t.test('wrong use of many is one line', async t => {
  for (const words of [
    ['--mailboxes', '0'],
    ['--messages', 'some'],
    ['--profile', 'slow'],
    ['--only', 'fun'],
    ['--kill'],
    ['--x'],
  ]) {
    const { code, stderr } = await bench('many', ...words)
    t.equal(code, 2)
    t.match(stderr, /^Use: npm run bench -- many [^\n]*\n$/)
  }
})
