import t from 'tap'
import { openApp } from '../../../pipeline/base/app.ts'
import { readConfig } from '../../../shared/config.ts'
import { takeIn } from '../../../shared/redis/arrivals.ts'
import { connectMailbox } from '../../../shared/redis/mailboxes.ts'
import { listRuns } from '../../../shared/redis/runs.ts'
import { analysisTasks } from '../../../shared/streams.ts'
import { fakeMailbox } from '../../support/fake-mailbox.ts'
import { clusterFor } from '../../support/redis.ts'
import { countCalls } from '../../support/script-faults.ts'
import { createSteps } from '../../support/steps.ts'

const BO = 'gmail:bo@example.com' as const
const LIMIT = 2
const { server } = await clusterFor(t)
const config = readConfig({ LOG_LEVEL: 'silent', REDIS_PREFIX: 'test', PARTITIONS: '1' })

t.test('a run writes as many tasks as allowed, whatever call of a script fails', { timeout: 90_000 }, async t => {
  const app = await openApp(config, server.url, undefined, server.connect)
  t.teardown(() => app.close())
  const faults = countCalls(app.redis)
  let met: string[] = []
  for (let k = 1; k === 1 || met.length > 0; k += 1) {
    await server.client.flushall()
    const { tasks, run } = await synced(async () => faults.arm(k), k % 2 === 0)
    met = faults.met()
    t.equal(tasks.length, LIMIT, `tasks when calls ${k} failed`)
    t.match(run, { threads: 5, tasks: LIMIT, settled: true, withheld: { overLimit: 3 } }, `calls ${k}`)
  }

  async function synced(before: () => Promise<void>, recreated: boolean) {
    const { redis, keys, now } = app
    const mailbox = fakeMailbox()
    const steps = await createSteps({ app, mailbox, id: BO, before, recreated, tasksPerRun: LIMIT })
    await steps.untilDone(() => connectMailbox(redis, keys, BO, 'pinned:0:0', now()))
    mailbox.deliver(5, 5)
    const event = { id: 'run', mailbox: BO, run: 'run', body: { cause: 'push' as const }, stale: false }
    await steps.untilDone(() => takeIn(redis, keys, event, now()))
    await steps.drain()
    const lanes = (['live', 'bulk'] as const).map(lane => keys.stream(keys.partitionOf(BO), analysisTasks.name, lane))
    const tasks = (await Promise.all(lanes.map(key => server.client.xrange(key, '-', '+')))).flat()
    const [run] = await listRuns(server.client, keys, 1)
    return { tasks, run }
  }
})
