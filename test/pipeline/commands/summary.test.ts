import t from 'tap'
import { summarise, summaryTable } from '../../../pipeline/commands/summary.ts'
import { type RunRecord, runRecord } from '../../../shared/redis/runs.ts'

const GMAIL = 'gmail:ana@example.com'
const OUTLOOK = 'outlook:ana@example.com'

function run(id: string, mailbox: string, fields: Record<string, string | number>): RunRecord {
  const text = Object.entries(fields).map(([name, value]) => [name, String(value)])
  return runRecord(id, { mailbox, cause: 'push', startedAt: '0', endedAt: '1000', ...Object.fromEntries(text) })
}

const runs = [
  run('a', GMAIL, {
    listed: 10,
    fetched: 4,
    cached: 3,
    filtered: 3,
    'calls:list': 1,
    'calls:batch': 1,
    'calls:profile': 2,
    'calls:watch': 1,
    tasks: 5,
    units: 85,
  }),
  run('b', OUTLOOK, { listed: 4, cached: 4, 'calls:delta': 2, 'calls:profile': 1, tasks: 4, units: 3 }),
  // Runs that found nothing.
  run('c', GMAIL, { listed: 0, 'calls:history': 1, units: 2 }),
  run('d', GMAIL, { listed: 0, 'calls:history': 1, units: 2 }),
]
const summarised = (some: readonly RunRecord[]) =>
  summarise(some, { mailboxes: 2, seconds: 1, redis: 'redis', saved: () => 0 })

t.test('rows, last line and JSON of the summary count the same calls', async t => {
  const summary = summarised(runs)
  const text = summaryTable(runs, summary)
  const rows = rowsOf(text)
  t.equal(rows.length, 2, 'looks in vain have no row')
  const sum = (column: string) => rows.reduce((total, row) => total + Number(row[column]), 0)
  const [, said] = /with (\d+) provider calls/.exec(text) ?? []
  t.equal(sum('calls'), 10)
  t.equal(Number(said), 10)
  t.equal(
    Object.values(summary.calls).reduce((total, count) => total + count, 0),
    10,
  )
  t.same(summary.calls, {
    list: 1,
    batch: 1,
    single: 0,
    thread: 0,
    attachment: 0,
    history: 2,
    delta: 2,
    profile: 3,
    watch: 1,
  })
  t.equal(sum('units'), summary.units)
})

t.test('each row accounts for every listed message', async t => {
  for (const row of rowsOf(summaryTable(runs, summarised(runs)))) {
    const fates = ['fetched', 'cached', 'gone', 'filtered', 'dead', 'deferred'].map(name => Number(row[name]))
    t.equal(
      fates.reduce((total, count) => total + count, 0),
      Number(row.messages),
      JSON.stringify(row),
    )
  }
})

t.test('runs without new messages have their own rows', async t => {
  const looks = runs.slice(2)
  const text = summaryTable(looks, summarised(looks))
  t.equal(rowsOf(text).length, 2)
  t.match(text, 'No new messages; 2 provider calls.')
})

/** Parses the rows of a table by column name. */
function rowsOf(text: string): Record<string, string>[] {
  const [head = [], ...rows] = text
    .split('\n')
    .filter(line => line.startsWith('│'))
    .map(line =>
      line
        .split('│')
        .slice(1, -1)
        .map(cell => cell.trim()),
    )
  return rows.map(cells => Object.fromEntries(head.map((name, index) => [name, cells[index] ?? ''])))
}
