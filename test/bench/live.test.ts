import t from 'tap'
import { bench } from '../support/bench.ts'

const KEYS = {
  live: ['liveAloneP50', 'liveAloneP95', 'liveUnderBackfillP50', 'liveUnderBackfillP95', 'bulkShare'],
  sick: ['sickBesideHealthyP95Ratio'],
}

const many = (...words: string[]) => bench('many', ...words)

for (const part of ['live', 'sick'] as const) {
  t.test(`the part ${part} can be measured alone`, async t => {
    const { code, stdout, stderr } = await many('--mailboxes', '6', '--only', part, '--json')
    t.equal(code, 0, stderr)
    const figures = JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}')
    for (const key of KEYS[part]) t.ok(figures[key] > 0, key)
  })
}
