import { spawnSync } from 'node:child_process'
import t from 'tap'
import { openApp } from '../../../pipeline/base/app.ts'
import { startGatewayApart } from '../../../pipeline/gateway/apart.ts'
import { readConfig } from '../../../shared/config.ts'
import { clientStateKeys, clientStateOf } from '../../../shared/outlook/client-state.ts'
import { eventsOf, logTo } from '../../support/gateway.ts'
import { BO, changeOf, subscribe } from '../../support/graph-notifications.ts'
import { startRedis } from '../../support/redis.ts'
import { until } from '../../support/until.ts'

const redis = await startRedis()
t.teardown(() => redis.stop())

const KEY = Buffer.alloc(32, 7).toString('base64')
const ASK = 'const answer = await fetch(process.argv[1]); process.exitCode = answer.status === 200 ? 0 : 1'

t.test('a gateway beside stages has its own event loop', async t => {
  const config = readConfig({ REDIS_PREFIX: 'apart', GATEWAY_HOST: '127.0.0.1', MAILBOXES_KEY: KEY })
  const app = await openApp(config, redis.url)
  t.teardown(() => app.close())
  const reported: string[] = []
  const { signal } = new AbortController()
  const settingsAt = (port: number) => ({ OUTLOOK_NOTIFICATION_URL: `http://127.0.0.1:${port}` })
  const gateway = await startGatewayApart(app, { port: 0, log: logTo(reported), settingsAt, signal })
  const url = `http://127.0.0.1:${gateway.port}`
  t.equal(gateway.config.OUTLOOK_NOTIFICATION_URL, url)
  t.match(gateway.label, url)

  // This thread is blocked until that has ended.
  const probe = spawnSync(process.execPath, ['--input-type=module', '-e', ASK, `${url}/healthz`], { timeout: 20_000 })
  t.equal(probe.status, 0, 'it answers while this thread is blocked')

  await subscribe(app, BO, 'sub-bo')
  const post = (value: unknown[]) =>
    fetch(`${url}/outlook/notifications`, { method: 'POST', body: JSON.stringify({ value }) })
  const [key = Buffer.alloc(0)] = clientStateKeys({ sealingKeys: config.MAILBOXES_KEY })
  t.equal((await post([changeOf('sub-bo', clientStateOf(key, BO))])).status, 202)
  t.equal((await eventsOf(app, BO)).length, 1, 'it has the same keys')
  t.equal((await post([changeOf('sub-bo', 'wrong')])).status, 202)
  await until(() => reported.some(line => line.includes('with a wrong clientState')), 'its log lines arrive here')

  await gateway.stop(2000)
  await t.rejects(fetch(`${url}/healthz`))
})

t.test('an error before listening is thrown', async t => {
  const config = readConfig({ REDIS_PREFIX: 'apart2', GATEWAY_HOST: '127.0.0.1', GMAIL_PUSH_AUDIENCE: 'half' })
  const app = await openApp(config, redis.url)
  t.teardown(() => app.close())
  const options = { log: logTo([]), settingsAt: () => ({}), signal: new AbortController().signal }
  await t.rejects(startGatewayApart(app, { ...options, port: 0 }), {
    kind: 'misconfigured',
    message: /GMAIL_PUSH_AUDIENCE is set but GMAIL_PUSH_SERVICE_ACCOUNT is not/,
  })
  const taken = Number(new URL(redis.url).port)
  const other = await openApp(readConfig({ REDIS_PREFIX: 'apart2', GATEWAY_HOST: '127.0.0.1' }), redis.url)
  t.teardown(() => other.close())
  await t.rejects(startGatewayApart(other, { ...options, port: taken }), { message: /cannot listen on port .* in use/ })
  const intake = await startGatewayApart(other, { ...options, port: undefined })
  t.equal(intake.port, undefined, 'without a port it takes in the intake alone')
  await intake.stop(2000)
})
