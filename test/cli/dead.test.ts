import t from 'tap'
import { createKeys } from '../../shared/redis/keys.ts'
import { startGmail } from '../../sim/gmail.ts'
import { testMailbox } from '../support/mail.ts'
import { inTurn, lastJson, start } from '../support/processes.ts'
import { startRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'

const redis = await startRedis()
const sim = await startGmail({ profile: 'instant', mailboxes: [testMailbox('ana@example.com', 3, 3)] })
t.teardown(async () => {
  await sim.close()
  await redis.stop()
})
const environment = { REDIS_URL: redis.url, SIM_URL: sim.url }

t.test('dead letters are listed, shown, redriven and dropped from the command line', async t => {
  const stage = start(['stage', 'cache-filter'], environment)
  t.teardown(() => stage.kill('SIGKILL'))
  const keys = createKeys('mailsluice', 8)
  await redis.client.xadd(keys.stream('p03', 'message-ids', 'live'), '*', 'envelope', 'not an envelope')
  const list = async () => lastJson(await inTurn(['dead', 'list', '--json'], environment)).dead as { name: string }[]
  const [letter] = await until(async () => {
    const letters = await list()
    return letters.length === 1 ? letters : undefined
  }, 'it is dead')
  const name = letter?.name ?? ''
  t.match(letter, { stage: 'cache-filter', stream: 'message-ids', kind: 'unparsable', message: /not JSON/ })
  t.match((await inTurn(['dead', 'list'], environment)).stdout, /cache-filter\/p03\/.*unparsable/)
  t.match((await inTurn(['dead', 'show', name], environment)).stdout, /not an envelope/)
  t.match(lastJson(await inTurn(['dead', 'redrive', name, '--json'], environment)), { redriven: 1 })
  await until(async () => (await list()).some(one => one.name !== name), 'it failed again')
  t.match(lastJson(await inTurn(['dead', 'drop', '--all', '--stage', 'merge', '--json'], environment)), { dropped: 0 })
  t.match(lastJson(await inTurn(['dead', 'drop', '--all', '--json'], environment)), { dropped: 1 })
  t.match((await inTurn(['dead', 'list'], environment)).stdout, /No dead letters/)
  t.match(await inTurn(['dead', 'show', name], environment), { code: 2, stderr: /there is no dead letter/ })
  t.match(await inTurn(['dead', 'drop'], environment), { code: 2, stderr: /name one dead letter, or pass --all/ })
  t.match(await inTurn(['dead', 'list', '--stage', 'magic'], environment), { code: 2, stderr: /"magic" / })
})

t.test('a parked mailbox is shown as such and can be resumed', async t => {
  const stages = start(
    ['up', '--only', 'list-ids,cache-filter,batch-fetch,merge,thread-group,ai-dispatch'],
    environment,
  )
  t.teardown(() => stages.kill('SIGKILL'))
  t.match(lastJson(await inTurn(['sync', 'gmail:ana@example.com', '--json'], environment)), { ok: true })
  await redis.client.hset(
    createKeys('mailsluice', 8).mailbox('gmail:ana@example.com'),
    'status',
    'needs-reauth',
    'statusReason',
    'the grant is gone',
  )
  t.match((await inTurn(['status'], environment)).stdout, /parked: the grant is gone/)
  t.match(lastJson(await inTurn(['resume', 'gmail:ana@example.com', '--json'], environment)), { entries: 0 })
  t.match((await inTurn(['status'], environment)).stdout, /in sync/)
})
