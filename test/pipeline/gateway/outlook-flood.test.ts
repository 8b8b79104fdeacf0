import { setTimeout as timeout } from 'node:timers/promises'
import t from 'tap'
import { startGateway } from '../../../pipeline/gateway/gateway.ts'
import { clientStateKeys, clientStateOf } from '../../../shared/outlook/client-state.ts'
import { countArrivals } from '../../../shared/redis/arrivals.ts'
import { listRuns } from '../../../shared/redis/runs.ts'
import { subscriptionMemory } from '../../../shared/redis/subscriptions.ts'
import { messageIds } from '../../../shared/streams.ts'
import { fakeMailbox } from '../../support/fake-mailbox.ts'
import { logTo } from '../../support/gateway.ts'
import { CLIENT_STATE, changeOf } from '../../support/graph-notifications.ts'
import { ANA, startPipeline } from '../../support/pipeline.ts'
import { startRedis } from '../../support/redis.ts'

const NOTIFICATIONS = 1000
const AT_ONCE = 25
const LATENCY_MS = 50

const redis = await startRedis()
t.teardown(() => redis.stop())

t.test('a thousand notifications of a mailbox cause few runs and lose no mail', async t => {
  const mailbox = fakeMailbox()
  // Real providers have latency.
  mailbox.before = () => timeout(LATENCY_MS)
  mailbox.deliver(5)
  const pipeline = await startPipeline(redis, mailbox, {
    settings: {
      OUTLOOK_CLIENT_STATE: CLIENT_STATE,
      OUTLOOK_NOTIFICATION_URL: 'https://mail.example.com',
      GATEWAY_HOST: '127.0.0.1',
    },
  })
  t.teardown(() => pipeline.stop())
  const { app } = pipeline
  await subscriptionMemory(app.redis, app.keys, ANA).write({ id: 'sub-ana', terms: 'terms' })
  const gateway = await startGateway(app, { port: 0, log: logTo([]) })
  t.teardown(() => gateway.stop(1000))
  t.match(gateway.label, /pushes go to \/outlook\)/)
  await pipeline.sync()

  const [key = Buffer.alloc(0)] = clientStateKeys({ secret: CLIENT_STATE, sealingKeys: [] })
  const post = async () => {
    const body = JSON.stringify({ value: [changeOf('sub-ana', clientStateOf(key, ANA))] })
    const answer = await fetch(`http://127.0.0.1:${gateway.port}/outlook/notifications`, { method: 'POST', body })
    return answer.status
  }
  let delivered = 5
  for (let n = 0; n < NOTIFICATIONS; n += AT_ONCE) {
    delivered += mailbox.deliver(1).length
    const answers = await Promise.all(Array.from({ length: AT_ONCE }, post))
    t.same(new Set(answers), new Set([202]))
  }

  await pipeline.quiet()
  const runs = await listRuns(app.redis, app.keys, 2 * NOTIFICATIONS)
  const pushed = runs.filter(({ cause }) => cause !== 'request' && cause !== 'first-sync')
  t.comment(`${NOTIFICATIONS} notifications became ${pushed.length} runs of ${mailbox.calls.length} calls`)
  t.ok(pushed.length > 0 && pushed.length < NOTIFICATIONS / 10)
  t.match(await countArrivals(app.redis, app.keys), { posted: NOTIFICATIONS })
  const listed = await pipeline.read(messageIds)
  t.equal(new Set(listed.map(({ body }) => body.id)).size, delivered)
})
