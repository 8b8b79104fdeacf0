import t from 'tap'
import { createKeys } from '../../shared/redis/keys.ts'
import { testMail } from '../support/mail.ts'
import { inTurn, start } from '../support/processes.ts'
import { setUpForProcesses } from '../support/stage-processes.ts'
import { until } from '../support/until.ts'

const ANA = 'gmail:ana@example.com'
const [MESSAGES, THREADS] = [5, 5]

t.test('a due look survives the death of list-ids', async t => {
  const { environment, redis, sim } = await setUpForProcesses(t, {
    profile: 'instant',
    messages: MESSAGES,
    threads: THREADS,
  })
  t.equal((await inTurn(['up', '--once'], environment)).code, 0)
  const first = start(['stage', 'list-ids'], environment)
  t.teardown(() => first.kill('SIGKILL'))
  const keys = createKeys('mailsluice', 8)
  const delays = keys.delay(keys.partitionOf(ANA), 'list-ids')
  t.equal((await inTurn(['push', ANA, '--history-id', '1'], environment)).code, 0)
  await until(() => redis.client.zcard(delays), 'a look is pending')
  first.kill('SIGKILL')
  await first.exited
  t.equal(await redis.client.zcard(delays), 1, 'the look has not run yet')
  sim.deliver('ana@example.com', testMail(MESSAGES, THREADS))
  const next = start(['stage', 'list-ids'], environment)
  t.teardown(() => next.kill('SIGKILL'))
  const listed = async () => {
    const run = await redis.client.hget(keys.mailbox(ANA), 'activeRun')
    const [cause, count] = run ? await redis.client.hmget(keys.run(keys.partitionOf(ANA), run), 'cause', 'listed') : []
    return cause === 'look' && count === '1'
  }
  t.ok(await until(listed, 'the look has begun a run, and listed the new mail'))
})
