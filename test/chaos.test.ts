import t from 'tap'
import { FATES } from '../shared/streams.ts'
import { bench } from './support/bench.ts'

const chaos = (...words: string[]) => bench('chaos', ...words)

t.test(
  'twenty seconds of chaos at both providers lose nothing, double nothing, leave nothing out of date, and settle',
  async t => {
    const { code, stdout, stderr } = await chaos('--mailboxes', '8', '--seconds', '20', '--seed', '2', '--json')
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
    // Of those that tamper with Redis's state one strikes at a time.
    const tampering = ['withdraw', 'mistype', 'restore']
    for (const [kind, count] of Object.entries(faults)) {
      if (!tampering.includes(kind)) t.ok(Number(count) > 0, `${kind} struck`)
    }
    t.ok(
      tampering.some(kind => faults[kind] > 0),
      'state was tampered with',
    )
    t.match(result, { gmail: { mailboxes: 6, lost: 0 }, outlook: { mailboxes: 2, lost: 0, unlike: 0, misplaced: 0 } })
    t.ok(result.spoiled.gmail > 0 && result.spoiled.outlook > 0, 'both providers failed')
    t.ok(result.outlook.mails > 0 && result.outlook.tasks >= result.outlook.tasksExpected)
    t.ok(mails > 990, 'mail came in all the while')
    t.ok(tasks >= tasksExpected)
    t.equal(
      FATES.reduce((sum, fate) => sum + result[fate], 0),
      listed,
    )
    t.equal(result.deferred, 0, 'what was set aside has come back')
  },
)

t.test('wrong use is one line', async t => {
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
