import t from 'tap'
import { withRealDates } from '../../../shared/ai/due-dates.ts'

const dated = (dueDate: unknown, timeZone: unknown) =>
  withRealDates({ summary: 'x', actionItems: [{ action: 'Do it', dueDate, timeZone, quote: 'q' }] })

t.test('real dates keep their time zone', async t => {
  for (const date of ['2026-12-04', '2028-02-29', '2026-12-04T17:30']) {
    const item = { action: 'Do it', dueDate: date, timeZone: 'Europe/Berlin', quote: 'q' }
    t.same(dated(date, 'Europe/Berlin'), { output: { summary: 'x', actionItems: [item] }, removed: 0 })
  }
  t.match(dated('2026-12-04', null), {
    output: { actionItems: [{ dueDate: '2026-12-04', timeZone: null }] },
    removed: 0,
  })
  t.match(dated(null, null), { output: { actionItems: [{ dueDate: null, timeZone: null }] }, removed: 0 })
})

t.test('what is no date becomes null, and is counted', async t => {
  for (const date of [
    'Friday',
    '',
    '2026-02-30',
    '2026-13-01',
    '2026-12-04T25:00',
    '04.12.2026',
    '2026-12-04T10:00Z',
    '2026-12-4',
  ])
    t.match(
      dated(date, 'Europe/Berlin'),
      { output: { actionItems: [{ dueDate: null, timeZone: null }] }, removed: 1 },
      date,
    )
})

t.test('what is no time zone becomes null', async t => {
  for (const zone of ['Berlin time', '', '+02:00', 'Europe/Atlantis', 'constructor'])
    t.match(
      dated('2026-12-04', zone),
      { output: { actionItems: [{ dueDate: '2026-12-04', timeZone: null }] }, removed: 0 },
      zone,
    )
})
