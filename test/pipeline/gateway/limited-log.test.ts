import t from 'tap'
import { createLimitedLog } from '../../../pipeline/gateway/limited-log.ts'
import { logTo } from '../../support/gateway.ts'
import { until } from '../../support/until.ts'

const HOUR_MS = 3_600_000

t.test('the first event is logged at once, the others as one line per minute', async t => {
  const lines: string[] = []
  const { report, stop } = createLimitedLog(logTo(lines), HOUR_MS)
  for (let n = 0; n < 1000; n += 1)
    report({ level: 'warn', text: 'refused', kind: 'forged', facts: { ip: `10.0.0.${n % 7}` } })
  report({ level: 'error', text: 'keys are unavailable', count: 3 })
  t.same(lines, ['warn {"ip":"10.0.0.0","count":1} refused', 'error {"count":3} keys are unavailable'])
  stop()
  t.same(lines.slice(2), ['warn {"ip":"10.0.0.5","count":999} refused'])
  stop()
  t.equal(lines.length, 3, 'nothing is logged twice')
})

t.test('summary lines end when the events end', async t => {
  const lines: string[] = []
  const { report, stop } = createLimitedLog(logTo(lines), 20)
  t.teardown(stop)
  for (let n = 0; n < 3; n += 1) report({ level: 'warn', text: 'refused' })
  await until(() => lines.length === 2, 'the others are logged')
  t.match(lines[1], /"count":2/)
  report({ level: 'warn', text: 'refused' })
  await until(() => lines.length === 3, 'later events are logged')
  t.match(lines[2], /"count":1/)
})

t.test('any number of kinds causes at most 62 lines per minute', async t => {
  const lines: string[] = []
  const { report, stop } = createLimitedLog(logTo(lines), HOUR_MS)
  for (let n = 0; n < 5000; n += 1) report({ level: 'warn', text: `text ${n % 10}`, kind: `kind ${n}` })
  stop()
  t.ok(lines.length <= 62, `${lines.length} lines`)
  const counted = lines.reduce((sum, line) => sum + Number(/"count":(\d+)/.exec(line)?.[1]), 0)
  t.equal(counted, 5000, 'all are counted')
})
