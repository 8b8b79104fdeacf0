import t from 'tap'
import { promoteInTime } from '../../../pipeline/runtime/promote.ts'
import { until } from '../../support/until.ts'

t.test('work due during a Redis outage returns after the outage', async t => {
  const stopping = new AbortController()
  t.teardown(() => stopping.abort())
  let [asked, isAway] = [0, true]
  const promote = async () => {
    asked += 1
    if (isAway) throw new Error('away')
    return undefined
  }
  const delays = promoteInTime({ queue: { promote }, now: Date.now, stopping: stopping.signal })
  await t.rejects(delays.promoteIfDue(), /away/)
  await until(() => asked > 2, 'it is asked again all the while')
  isAway = false
  const before = asked
  await until(() => asked > before, 'and when it answers')
  t.ok(delays.nextAt() - Date.now() > 20_000, 'then nothing is due for long')
})
