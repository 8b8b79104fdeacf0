import t from 'tap'
import { FATES } from '../../shared/streams.ts'
import { bench } from '../support/bench.ts'

// Faults that the keeper heals, or that need a pause, settle too slowly for this test; each has its own tests.
const TAKE_LONG = ['sick', 'refuse', 'withdraw', 'mistype', 'restore']
const words = TAKE_LONG.flatMap(kind => ['--without', kind])

const chaos = (...words: string[]) => bench('chaos', ...words)

t.test('twenty seconds of chaos cause no loss, no duplicate and no stale task', async t => {
  const { code, stdout, stderr } = await chaos(...words, '--mailboxes', '8', '--seconds', '20', '--seed', '2', '--json')
  t.equal(code, 0, stderr)
  const result = JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}')
  t.match(result, {
    ok: true,
    lost: 0,
    incomplete: 0,
    outdated: 0,
    doubled: 0,
    unbalanced: 0,
    unlike: 0,
    misplaced: 0,
    unsettled: 0,
    crashed: 0,
  })
  t.same(result.problems, [])
  const { faults, mails, tasks, tasksExpected, listed } = result
  for (const [kind, count] of Object.entries(faults)) {
    t.equal(Number(count) > 0, !TAKE_LONG.includes(kind), `${kind} struck, where it was to`)
  }
  t.match(result, { gmail: { mailboxes: 6, lost: 0 }, outlook: { mailboxes: 2, lost: 0, unlike: 0, misplaced: 0 } })
  t.ok(result.spoiled.gmail + result.spoiled.outlook > 0, 'the providers failed')
  t.ok(result.outlook.mails > 0 && result.outlook.tasks >= result.outlook.tasksExpected)
  t.ok(mails > 990, 'mail came in all the while')
  t.ok(tasks >= tasksExpected)
  t.equal(
    FATES.reduce((sum, fate) => sum + result[fate], 0),
    listed,
  )
  t.equal(result.deferred, 0, 'deferred messages were read again')
})

t.test('wrong use prints one line', async t => {
  for (const words of [
    ['--seconds', 'some'],
    ['--seed', '-1'],
    ['--mailboxes', '1'],
    ['--seconds', '0'],
    ['--loudly'],
  ]) {
    const { code, stderr } = await chaos(...words)
    t.equal(code, 2)
    t.match(stderr, /^Use: npm run bench -- chaos [^\n]*\n$/)
  }
})
