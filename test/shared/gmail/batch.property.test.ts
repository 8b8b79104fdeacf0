import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import t, { type Test } from 'tap'

// `PROPERTY_CASES=1000000` tries ten times as many, however long it takes. A busy machine tries fewer in its
// time.
const { PROPERTY_CASES } = process.env
const CASES = Number(PROPERTY_CASES ?? 100_000)
const LIMIT_MS = PROPERTY_CASES === undefined ? 40_000 : 3_600_000
const WORKERS = 2
t.setTimeout(3 * LIMIT_MS)

t.test('an answer in any order and spelling gives every id its outcome', async t => {
  await tryAll(t, 'harmless', CASES / 10)
})

t.test('a damaged answer gives an id its own outcome or a retry', async t => {
  await tryAll(t, 'harmful', CASES)
})

// A worker reports a counterexample with the seed that reproduces it.
async function tryAll(t: Test, kind: 'harmless' | 'harmful', cases: number): Promise<void> {
  t.setTimeout(2 * LIMIT_MS)
  const file = new URL('./answers-worker.js', import.meta.url)
  const reported = await Promise.all(
    Array.from({ length: WORKERS }, async () => {
      const seed = Math.floor(Math.random() * 2 ** 31)
      const worker = new Worker(file, { workerData: { kind, cases: cases / WORKERS, seed, limitMs: LIMIT_MS } })
      const [said] = await once(worker, 'message')
      return said as number | string
    }),
  )
  for (const said of reported) t.type(said, 'number', `${said} answers`)
}
