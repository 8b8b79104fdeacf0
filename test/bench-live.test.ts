import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const BENCH = fileURLToPath(new URL('../bench/main.js', import.meta.url))

const KEYS = {
  live: ['liveAloneP50', 'liveAloneP95', 'liveUnderBackfillP50', 'liveUnderBackfillP95', 'bulkShare'],
  sick: ['sickBesideHealthyP95Ratio'],
}

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

for (const part of ['live', 'sick'] as const) {
  t.test(`the part ${part} can be measured alone`, async t => {
    const { code, stdout, stderr } = await many('--mailboxes', '6', '--only', part, '--json')
    t.equal(code, 0, stderr)
    const figures = JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}')
    for (const key of KEYS[part]) t.ok(figures[key] > 0, key)
  })
}
