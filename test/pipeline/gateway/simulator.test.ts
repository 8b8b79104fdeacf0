import t, { type Test } from 'tap'
import { openMailboxes } from '../../../pipeline/accounts/mailboxes.ts'
import { startGateway } from '../../../pipeline/gateway/gateway.ts'
import { readConfig } from '../../../shared/config.ts'
import { countArrivals } from '../../../shared/redis/arrivals.ts'
import { readMailbox } from '../../../shared/redis/mailboxes.ts'
import { messageIds } from '../../../shared/streams.ts'
import { startGmail } from '../../../sim/gmail.ts'
import { logTo } from '../../support/gateway.ts'
import { testMail, testMailbox } from '../../support/mail.ts'
import { ANA, startPipeline } from '../../support/pipeline.ts'
import { startRedis } from '../../support/redis.ts'
import { until } from '../../support/until.ts'

const ADDRESS = 'ana@example.com'
const THREADS = 5
const redis = await startRedis()
t.teardown(() => redis.stop())

t.test('a mail that arrives at Gmail becomes a task through a push', async t => {
  const { sim, pipeline } = await open(t)
  sim.resetCalls()
  sim.deliver(ADDRESS, testMail(10, THREADS))
  await until(async () => (await pipeline.quiet())[0]?.listed === 1, 'it was pushed and listed')
  t.match((await pipeline.quiet())[0], { cause: 'push', listed: 1, tasks: 1, addsUp: true })
  t.match(
    sim.calls(),
    { history: 2, single: 1 },
    'with one call for it, and one after the second in which Gmail is silent',
  )
  t.equal((await pipeline.quiet()).filter(({ cause }) => cause === 'look').length, 0, 'which is no run')
})

t.test('a repeated push costs nothing, a late one a single check', async t => {
  const { sim, pipeline, gatewayPort } = await open(t)
  sim.pushes.set({ duplicateNext: 1 })
  sim.deliver(ADDRESS, testMail(10, THREADS))
  const arrivals = () => countArrivals(pipeline.app.redis, pipeline.app.keys)
  const before = await arrivals()
  await until(async () => (await arrivals()).duplicate === before.duplicate + 1, 'the second is known')
  await until(async () => (await pipeline.quiet())[0]?.listed === 1, 'it was listed')
  const { cursor = '' } = (await readMailbox(pipeline.app.redis, pipeline.app.keys, ANA)) ?? {}
  const historyId = Number(cursor.split(':')[1]) - 1
  const runs = (await pipeline.quiet()).length
  sim.resetCalls()
  const data = Buffer.from(JSON.stringify({ emailAddress: ADDRESS, historyId })).toString('base64')
  const answer = await fetch(`http://127.0.0.1:${gatewayPort}/gmail/push`, {
    method: 'POST',
    headers: { authorization: `Bearer ${await sim.idToken()}`, 'content-type': 'application/json' },
    body: JSON.stringify({ message: { data, messageId: 'late' } }),
  })
  t.equal(answer.status, 204)
  t.match(await arrivals(), { stale: 1 })
  t.equal((await pipeline.quiet()).length, runs)
  t.match(sim.calls(), { history: 1, total: 1 }, 'Gmail is silent after this push as after any other')
})

t.test('two mails within a second cause one push, and both are found', async t => {
  const { sim, pipeline } = await open(t)
  sim.resetCalls()
  const { published, tooSoon } = sim.pushes.counts()
  const at = Date.now()
  sim.deliver(ADDRESS, testMail(10, THREADS))
  const isListed = async (count: number) => (await pipeline.read(messageIds)).length === 10 + count
  await until(() => isListed(1), 'the first is listed')
  sim.deliver(ADDRESS, testMail(11, THREADS))
  await until(() => isListed(2), 'the second is listed')
  t.comment(`both were listed within ${Date.now() - at} ms`)
  const [second, first] = (await pipeline.quiet()).filter(({ cause }) => cause !== 'request')
  t.match(first, { cause: 'push', listed: 1, tasks: 1 })
  t.match(second, { listed: 1, tasks: 1, addsUp: true })
  const after = sim.pushes.counts()
  t.equal(after.published + after.tooSoon, published + tooSoon + 2)
  // On a machine that needs over a second for the first mail, the second is pushed too.
  if (after.tooSoon > tooSoon) t.equal(second?.cause, 'look')
})

t.test('a push that precedes its history record loses no mail', async t => {
  const { sim, pipeline } = await open(t)
  sim.quirks.historyLagMs = 1200
  sim.resetCalls()
  sim.deliver(ADDRESS, testMail(10, THREADS))
  await until(async () => (await pipeline.quiet())[0]?.listed === 1, 'it was listed in the end')
  const { history } = sim.calls()
  t.ok(history >= 3 && history <= 7, `${history} looks`)
})

async function open(t: Test) {
  const pushes = { audience: 'https://mail.example.com/push', serviceAccount: 'push@simulated.iam.gserviceaccount.com' }
  const sim = await startGmail({ profile: 'instant', mailboxes: [testMailbox(ADDRESS, 10, THREADS)] })
  const settings = {
    GATEWAY_HOST: '127.0.0.1',
    GMAIL_PUBSUB_TOPIC: 'projects/project/topics/gmail',
    GMAIL_PUSH_AUDIENCE: pushes.audience,
    GMAIL_PUSH_SERVICE_ACCOUNT: pushes.serviceAccount,
    GMAIL_PUSH_CERTS_URL: `${sim.url}/oauth2/v3/certs`,
  }
  const mailbox = openMailboxes(readConfig(settings), sim.url)(ANA)
  const pipeline = await startPipeline(redis, mailbox, { settings })
  await pipeline.sync()
  const gateway = await startGateway(pipeline.app, { port: 0, log: logTo([]) })
  sim.pushes.set({ to: { url: `http://127.0.0.1:${gateway.port}/gmail/push`, ...pushes } })
  t.teardown(async () => {
    await gateway.stop(2000)
    await pipeline.stop()
    await sim.close()
  })
  await mailbox.watch({ signal: new AbortController().signal, meter: () => undefined })
  const arrivals = () => countArrivals(pipeline.app.redis, pipeline.app.keys)
  await until(async () => (await arrivals()).posted === 1, 'the watch sends a push at once')
  await pipeline.quiet()
  return { sim, pipeline, gatewayPort: gateway.port }
}
