import t from 'tap'
import { createLimitedLog } from '../../../pipeline/gateway/limited-log.ts'
import { logTo } from '../../support/gateway.ts'
import { until } from '../../support/until.ts'

const HOUR_MS = 3_600_000

t.test('the first is told at once, and all others of a minute in one line with their count', async t => {
  const lines: string[] = []
  const { tell, stop } = createLimitedLog(logTo(lines), HOUR_MS)
  for (let n = 0; n < 1000; n += 1)
    tell({ level: 'warn', text: 'refused', kind: 'forged', facts: { ip: `10.0.0.${n % 7}` } })
  tell({ level: 'error', text: 'keys are away', count: 3 })
  t.same(lines, ['warn {"ip":"10.0.0.0","count":1} refused', 'error {"count":3} keys are away'])
  stop()
  t.same(lines.slice(2), ['warn {"ip":"10.0.0.5","count":999} refused'])
  stop()
  t.equal(lines.length, 3, 'nothing is told twice')
})

t.test('it is told while it goes on, and no more when it is over', async t => {
  const lines: string[] = []
  const { tell, stop } = createLimitedLog(logTo(lines), 20)
  t.teardown(stop)
  for (let n = 0; n < 3; n += 1) tell({ level: 'warn', text: 'refused' })
  await until(() => lines.length === 2, 'the others are told')
  t.match(lines[1], /"count":2/)
  tell({ level: 'warn', text: 'refused' })
  await until(() => lines.length === 3, 'and what came later')
  t.match(lines[2], /"count":1/)
})

t.test('however many kinds there are, there are at most 62 lines a minute', async t => {
  const lines: string[] = []
  const { tell, stop } = createLimitedLog(logTo(lines), HOUR_MS)
  for (let n = 0; n < 5000; n += 1) tell({ level: 'warn', text: `text ${n % 10}`, kind: `kind ${n}` })
  stop()
  t.ok(lines.length <= 62, `${lines.length} lines`)
  const counted = lines.reduce((sum, line) => sum + Number(/"count":(\d+)/.exec(line)?.[1]), 0)
  t.equal(counted, 5000, 'and all are counted')
})
