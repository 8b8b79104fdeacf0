import t from 'tap'
import { retryAfterIn, waitIn } from '../../../shared/http/retry-after.ts'

const NOW = Date.parse('2026-11-23T10:00:00.000Z')

t.test('seconds may have fractions and units, and are rounded up', async t => {
  const waits: [string, number][] = [
    ['0', 0],
    ['1', 1000],
    [' 120 ', 120_000],
    ['2.128', 2128],
    ['2.1281', 2129],
    ['.5', 500],
    ['3.', 3000],
    ['5s', 5000],
    ['5 sec', 5000],
    ['7 seconds', 7000],
    ['999999999', 24 * 3_600_000],
  ]
  for (const [text, ms] of waits) t.equal(waitIn(text, NOW), ms, text)
})

t.test('dates are parsed', async t => {
  const dates: [string, number][] = [
    ['Mon, 23 Nov 2026 10:00:30 GMT', 30_000],
    ['2026-11-23T10:00:01.5Z', 1500],
    ['2026-11-23T11:00:02+01:00', 2000],
    ['Mon, 23 Nov 2026 09:59:00 GMT', 0],
    ['Tue, 23 Nov 2027 10:00:00 GMT', 24 * 3_600_000],
  ]
  for (const [text, ms] of dates) t.equal(waitIn(text, NOW), ms, text)
})

t.test('a repeated header means its longest time', async t => {
  t.equal(waitIn('2, 30', NOW), 30_000)
  t.equal(waitIn('2.5, soon', NOW), 2500)
})

t.test('an invalid time is not read as a past one', async t => {
  for (const text of [undefined, '', ' ', 'soon', '-5', '5 minutes', '1-2', 'May', '12/1', 'Mon, 99 Foo 2026 10 GMT']) {
    t.equal(waitIn(text, NOW), undefined, String(text))
  }
})

t.test('the header is found in any headers object', async t => {
  t.equal(retryAfterIn(new Headers({ 'Retry-After': '3' })), '3')
  for (const headers of [new Headers(), { 'retry-after': '3' }, undefined, { get: () => 3 }]) {
    t.equal(retryAfterIn(headers), undefined)
  }
})
