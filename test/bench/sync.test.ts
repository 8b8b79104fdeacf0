import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const BENCH = fileURLToPath(new URL('../../bench/main.js', import.meta.url))

const RATIO = 10
// Whatever else the machine does can only lower the ratio.
const ATTEMPTS = 3

t.test('fifty messages are read ten times faster, with four calls instead of 51', async t => {
  let best = 0
  for (let attempt = 0; attempt < ATTEMPTS && best < RATIO; attempt += 1) {
    const live = await measure()
    t.match(live, { n1Calls: 51, oursCalls: 4, n1Seconds: Number, oursSeconds: Number, criticalPathSeconds: Number })
    best = Math.max(best, live.ratio)
  }
  t.ok(best >= RATIO, `${best} times`)
})

async function measure(): Promise<{ ratio: number }> {
  const child = spawn(process.execPath, [BENCH, 'sync', '--json', '--profile', 'live'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let printed = ''
  child.stdout.on('data', chunk => {
    printed += chunk
  })
  await once(child, 'close')
  return JSON.parse(printed.trim().split('\n').at(-1) ?? '{}').live
}
