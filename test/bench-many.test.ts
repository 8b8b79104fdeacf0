import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const BENCH = fileURLToPath(new URL('../bench/main.js', import.meta.url))

const KEYS = [
  'callsPerMailbox',
  'seconds',
  'criticalPathSeconds',
  'ratio',
  'unitsRatio',
  'liveAloneP50',
  'liveAloneP95',
  'liveUnderBackfillP50',
  'liveUnderBackfillP95',
  'bulkShare',
  'sickBesideHealthyP95Ratio',
]

async function many(...words: string[]) {
  const child = spawn(process.execPath, [BENCH, 'many', ...words], { stdio: ['ignore', 'pipe', 'pipe'] })
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

t.test('a small run of many mailboxes measures all its parts', async t => {
  const { code, stdout, stderr } = await many('--mailboxes', '6', '--messages', '25', '--json')
  t.equal(code, 0, stderr)
  const figures = JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}')
  t.match(figures, { mailboxes: 6, idealCalls: 3 })
  for (const key of KEYS) t.ok(key in figures, key)
  t.ok(figures.callsPerMailbox >= 3)
  t.ok(figures.unitsRatio >= 1)
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
    const { code, stderr } = await many(...words)
    t.equal(code, 2)
    t.match(stderr, /^Use: npm run bench -- many [^\n]*\n$/)
  }
})
