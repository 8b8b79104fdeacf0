import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import t from 'tap'

/** `PROPERTY_CASES=1000000` tries ten times as many. */
const CASES = Number(process.env.PROPERTY_CASES ?? 100_000)
const HARMLESS_CASES = CASES / 10
const WORKERS = 2

t.test('an answer in any order and spelling gives every id its outcome', async t => {
  t.same(await tried('harmless', HARMLESS_CASES), ['ok', 'ok'], `${HARMLESS_CASES} answers`)
})

t.test('whatever happens to an answer, an id gets its own outcome or is asked for again', async t => {
  t.same(await tried('harmful', CASES), ['ok', 'ok'], `${CASES} answers`)
})

// What each worker says, a counterexample where it found one: with its seed it is found again.
async function tried(kind: 'harmless' | 'harmful', cases: number): Promise<unknown[]> {
  const worker = new URL('./answers-worker.js', import.meta.url)
  const seeds = Array.from({ length: WORKERS }, () => Math.floor(Math.random() * 2 ** 31))
  return Promise.all(
    seeds.map(async seed => {
      const [told] = await once(new Worker(worker, { workerData: { kind, cases: cases / WORKERS, seed } }), 'message')
      return told
    }),
  )
}
