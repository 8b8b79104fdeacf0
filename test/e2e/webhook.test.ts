import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { inTurn } from '../support/processes.ts'
import { setUpForProcesses } from '../support/stage-processes.ts'

const TASKS = 1000

const { environment } = await setUpForProcesses(t, { profile: 'instant', messages: TASKS, threads: TASKS })
const answers = { status: 401 }
const deliveries = new Map<string, number>()
let refused = 0
const receiver = createServer((request, response) => {
  request.resume().on('end', () => {
    const { status } = answers
    const id = String(request.headers['webhook-id'])
    if (status === 200) deliveries.set(id, (deliveries.get(id) ?? 0) + 1)
    else refused += 1
    response.writeHead(status).end()
  })
})
await new Promise<void>(resolve => receiver.listen(0, '127.0.0.1', resolve))
t.teardown(() => receiver.close())
const settings = {
  ...environment,
  AI_SINK: 'webhook',
  AI_CONCURRENCY: '20',
  MESSAGE_BODY: 'snippet',
  WEBHOOK_URL: `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/tasks`,
  WEBHOOK_SECRET: `whsec_${'A'.repeat(32)}`,
  WEBHOOK_ALLOW_PRIVATE: '1',
}

t.test('a thousand tasks against a receiver that answers 401 leave no dead letter', async t => {
  const once = await inTurn(['up', '--once'], settings)
  t.equal(once.code, 0, once.stderr)
  t.match(once.stdout, `${TASKS} tasks wait for the sink`)
  t.ok(refused <= 40, `${refused} attempts found out`)
  const status = await inTurn(['status'], settings)
  t.match(status.stdout, /Sink: webhook, paused since .* Reason: .*401/)
  t.match((await inTurn(['dead', 'list'], settings)).stdout, /^No dead letters/)
})

t.test('once it is mended, each task goes once', async t => {
  answers.status = 200
  const resumed = await inTurn(['ai', 'resume'], settings)
  t.match(resumed.stdout, 'The sink is resumed')
  const once = await inTurn(['up', '--once'], settings)
  t.equal(once.code, 0, once.stderr)
  t.same([deliveries.size, [...deliveries.values()].filter(count => count > 1).length], [TASKS, 0])
})
