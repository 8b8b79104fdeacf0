import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { type Process, start } from '../support/processes.ts'
import { setUpForProcesses } from '../support/stage-processes.ts'
import { until } from '../support/until.ts'

// `KILLS=50` takes some minutes.
const KILLS = Number(process.env.KILLS ?? 6)
const THREADS = 30 * KILLS
const ANSWER_MS = 15
const MOST_BEFORE_KILL = 20

t.setTimeout(60_000 + KILLS * 20_000)

t.test('ai-dispatch killed at any point: each task has one effect, and no more repeats than kills', async t => {
  const { environment } = await setUpForProcesses(t, { profile: 'instant', messages: THREADS, threads: THREADS })
  const deliveries = new Map<string, number>()
  const receiver = createServer((request, response) => {
    const id = String(request.headers['webhook-id'])
    deliveries.set(id, (deliveries.get(id) ?? 0) + 1)
    request.resume().on('end', () => setTimeout(() => response.end(), ANSWER_MS))
  })
  await new Promise<void>(resolve => receiver.listen(0, '127.0.0.1', resolve))
  t.teardown(() => receiver.close())
  const settings = {
    ...environment,
    AI_SINK: 'webhook',
    AI_CONCURRENCY: '1',
    WEBHOOK_URL: `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/tasks`,
    WEBHOOK_SECRET: `whsec_${'A'.repeat(32)}`,
    WEBHOOK_ALLOW_PRIVATE: '1',
    MESSAGE_BODY: 'snippet',
  }
  const feeding = start(['up', '--only', 'list-ids,cache-filter,batch-fetch,merge,thread-group'], settings)
  t.teardown(() => feeding.kill('SIGKILL'))
  for (let kills = 0; kills < KILLS; kills += 1) {
    const victim = await running(settings)
    const enough = deliveries.size + 1 + Math.floor(Math.random() * MOST_BEFORE_KILL)
    await until(() => deliveries.size >= enough, 'it has sent some tasks')
    await new Promise(resolve => setTimeout(resolve, Math.random() * 2 * ANSWER_MS))
    victim.kill('SIGKILL')
    await victim.exited
  }
  const last = await running(settings)
  t.teardown(() => last.kill('SIGKILL'))
  await until(() => deliveries.size === THREADS, 'every task is delivered')
  const raw = [...deliveries.values()].reduce((sum, count) => sum + count, 0)
  t.equal(deliveries.size, THREADS, 'each task has one effect')
  t.ok(raw - THREADS <= KILLS, `${raw - THREADS} repeats after ${KILLS} kills`)
})

async function running(settings: Record<string, string>): Promise<Process> {
  const process = start(['stage', 'ai-dispatch'], settings)
  await until(() => `${process.stdout()}${process.stderr()}`.includes('ai-dispatch is running'), 'the process runs')
  return process
}
