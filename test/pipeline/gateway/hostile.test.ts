import { once } from 'node:events'
import { connect } from 'node:net'
import t, { type Test } from 'tap'
import { attack } from '../../../bench/gateway/attack.ts'
import type { Pace } from '../../../pipeline/gateway/pace.ts'
import { countArrivals } from '../../../shared/redis/arrivals.ts'
import { eventsOf, openGateway, pushOf, type TestGateway } from '../../support/gateway.ts'
import { startGoogleKeys } from '../../support/google-keys.ts'
import { BO, CLIENT_STATE, changeOf, stateOf, subscribe } from '../../support/graph-notifications.ts'
import { startRedis } from '../../support/redis.ts'
import { until } from '../../support/until.ts'

const redis = await startRedis()
const google = await startGoogleKeys()
t.teardown(async () => {
  await google.close()
  await redis.stop()
})

// By then each way of attack was tried several times, even on a busy machine.
const ATTACKS = 3
const MAX_LINES = 62
const LATE_MS = 10_000

t.test('genuine pushes get through fifty hostile connections', async t => {
  const gateway = await open(t)
  const { app, url } = gateway
  const over = new AbortController()
  const genuine = { gmail: pushOf({ historyId: 1001 }), outlook: [changeOf('sub-bo', stateOf(BO))] }
  await pushBoth(t, gateway, genuine)
  const before = await sizeOf(gateway)
  const attacks = attack({ url, connections: 50, signal: over.signal })
  for (let n = 0; n < ATTACKS; n += 1) await pushBoth(t, gateway, genuine)
  await until(async () => (await countArrivals(app.redis, app.keys)).unknown >= ATTACKS * 1000, 'the attack continues')
  await pushBoth(t, gateway, genuine)
  over.abort()
  const answers = await attacks
  t.comment(JSON.stringify(answers))
  const allowed: Record<string, string[]> = {
    'big array': ['400', '413'],
    'thousand forged': ['202', '503'],
    'forged token': ['401'],
    'forged notification': ['202'],
    'too many items': ['400'],
    'deep body': ['400'],
    'no such place': ['404'],
    garbage: ['401'],
    // The end of the attack closes connections that outlast it.
    'slow body': ['408'],
    'slow head': ['408'],
  }
  for (const [way, statuses] of Object.entries(allowed)) {
    const got = Object.keys(answers[way] ?? {}).filter(status => status !== 'closed')
    t.ok(
      got.every(status => statuses.includes(status)),
      `${way}: ${got.join()}`,
    )
    if (!way.startsWith('slow')) t.ok(got.length > 0, `${way} was answered`)
  }
  t.same(await sizeOf(gateway), before, 'Redis does not grow')
  await gateway.stop()
  t.ok(linesOf(gateway).length <= MAX_LINES, `${linesOf(gateway).length} lines`)
})

t.test('in a flood all refusals are answered late, and genuine pushes at once', async t => {
  const gateway = await open(t, {}, { pace: () => LATE_MS })
  const { url } = gateway
  const forged = JSON.stringify({ value: [changeOf('nobody', 'forged')] })
  const authorization = 'Bearer x'
  const kinds: Record<string, () => Promise<Response>> = {
    'no such place': () => fetch(`${url}/somewhere`),
    'forged token': () => fetch(`${url}/gmail/push`, { method: 'POST', headers: { authorization }, body: '{}' }),
    'forged notification': () => fetch(`${url}/outlook/notifications`, { method: 'POST', body: forged }),
    'no notification': () => fetch(`${url}/outlook/notifications`, { method: 'POST', body: '{}' }),
  }
  const refused = Object.entries(kinds).map(async ([kind, send]) => {
    const since = performance.now()
    await (await send()).arrayBuffer()
    const ms = performance.now() - since
    t.ok(ms > LATE_MS - 100, `${kind}: answered in ${Math.round(ms)} ms`)
  })
  let answered = false
  void Promise.all(refused).then(() => {
    answered = true
  })
  await pushBoth(t, gateway, { gmail: pushOf({ historyId: 1001 }), outlook: [changeOf('sub-bo', stateOf(BO))] })
  t.notOk(answered, 'genuine pushes do not wait for them')
  await Promise.all(refused)
})

t.test('garbage signed by Google fills at most a thousand dead letters', async t => {
  const gateway = await open(t)
  const { app, push, stop } = gateway
  const { redis: client, keys } = app
  for (let n = 0; n < 1000; n += 1) await client.xadd(keys.intakeDead, '*', 'envelope', '[]', 'stage', 'gateway')
  const long = `{"message":{"data":"${'x'.repeat(10_000)}","attributes":"${'y'.repeat(5000)}"}}`
  for (let n = 0; n < 20; n += 1) t.equal((await push({ body: n === 0 ? long : `garbage ${n}` })).status, 204)
  t.equal(await client.xlen(keys.intakeDead), 1000)
  const letters = await client.xrevrange(keys.intakeDead, '+', '-', 'COUNT', 20)
  t.equal(letters[0]?.[1][1], JSON.stringify(['body', 'garbage 19']), 'the newest are kept')
  t.ok(letters.every(([, fields]) => fields.join().length < 20_000))
  await stop()
  t.equal(linesOf(gateway).length, 2, 'one line, and one with the count of the others')
})

t.test('without Google keys a flood of pushes logs one line per minute', async t => {
  const away = await startGoogleKeys()
  const settings = { GMAIL_PUSH_CERTS_URL: away.certsUrl }
  const token = await away.token()
  await away.close()
  const gateway = await open(t, settings)
  const { push, stop } = gateway
  for (let n = 0; n < 100; n += 1) t.equal((await push({ token })).status, 503)
  t.equal(linesOf(gateway).length, 1)
  await stop()
  t.match(linesOf(gateway), [/^error .*public keys are unavailable/, /"count":99\b/])
})

t.test('without Redis a flood of notifications logs one line per minute', async t => {
  const own = await startRedis()
  t.teardown(() => own.stop())
  const gateway = await open(t, {}, { url: own.url })
  await own.kill('SIGKILL')
  const answers = await Promise.all(
    Array.from({ length: 100 }, (_, n) => post(gateway, [changeOf(`sub-${n}`, 'wrong')])),
  )
  t.ok(answers.every(({ status }) => status === 503))
  await own.restart()
  await gateway.stop()
  t.ok(linesOf(gateway).filter(line => line.includes('request failed')).length <= 2)
  t.ok(linesOf(gateway).length <= MAX_LINES)
})

t.test('behind a proxy each client has its own count, regardless of headers', async t => {
  for (const trusted of ['1', 'loopback', '127.0.0.0/8,10.0.0.0/8']) {
    const gateway = await open(t, { GATEWAY_RATE_LIMIT: '5', TRUSTED_PROXIES: trusted })
    const from = (forwarded: string, token = 'forged') =>
      fetch(`${gateway.url}/gmail/push`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'x-forwarded-for': forwarded },
        body: pushOf({ historyId: 1001 }),
      })
    for (let n = 0; n < 5; n += 1) t.equal((await from(`198.51.100.${n}, 203.0.113.9`)).status, 401)
    t.equal((await from('198.51.100.200, 203.0.113.9')).status, 429, 'spoofing is of no use')
    t.equal((await from('203.0.113.9, 198.51.100.7')).status, 401, 'the count cannot be shifted to another client')
    t.equal((await from('198.51.100.7', await google.token())).status, 204)
    t.match(linesOf(gateway)[0], /"ip":"203\.0\.113\.9"/, 'the client is logged')
    await gateway.stop()
  }
  const direct = await open(t, { GATEWAY_RATE_LIMIT: '5' })
  for (let n = 0; n < 7; n += 1) {
    const headers = { authorization: 'Bearer forged', 'x-forwarded-for': `198.51.100.${n}` }
    const answer = await fetch(`${direct.url}/gmail/push`, { method: 'POST', headers })
    t.equal(answer.status, n < 5 ? 401 : 429, 'without trusted proxies the header has no effect')
  }
  t.match(linesOf(direct)[0], /"ip":"127\.0\.0\.1"/)
})

t.test('too many idle and slow connections block nobody and end automatically', async t => {
  const gateway = await open(t, { GATEWAY_MAX_CONNECTIONS: '20' })
  const heads = [
    '',
    'POST /gmail/push HTTP/1.1\r\nhost: a\r\n',
    'POST /outlook/notifications HTTP/1.1\r\nhost: a\r\ncontent-length: 5000\r\n\r\n{"value":[',
    'POST /nowhere HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\n',
  ]
  const since = performance.now()
  const sockets = await Promise.all(
    Array.from({ length: 300 }, (_, n) => slow(t, gateway.url, heads[n % heads.length] ?? '')),
  )
  t.equal((await gateway.push()).status, 204)
  t.equal((await post(gateway, [changeOf('sub-bo', stateOf(BO))])).status, 202)
  await until(() => sockets.filter(({ ended }) => !ended()).length <= 20, 'most have made room', 6000)
  await until(() => sockets.every(({ ended }) => ended()), 'the others ran out of time', 30_000)
  t.comment(`after ${((performance.now() - since) / 1000).toFixed(1)} s`)
  t.equal(linesOf(gateway).length, 0)
})

async function open(
  t: Test,
  settings: Record<string, string> = {},
  { url = redis.url, pace }: { url?: string; pace?: Pace } = {},
): Promise<TestGateway> {
  const gateway = await openGateway(t, url, google, {
    settings: { OUTLOOK_CLIENT_STATE: CLIENT_STATE, ...settings },
    ...(pace ? { pace } : {}),
  })
  await subscribe(gateway.app, BO, 'sub-bo')
  return gateway
}

// Lines of the default log levels.
function linesOf({ reported }: TestGateway): string[] {
  return reported.filter(line => !line.startsWith('debug'))
}

function post({ url }: TestGateway, value: readonly unknown[]): Promise<Response> {
  return fetch(`${url}/outlook/notifications`, { method: 'POST', body: JSON.stringify({ value }) })
}

async function pushBoth(
  t: Test,
  gateway: TestGateway,
  { gmail, outlook }: { gmail: string; outlook: readonly unknown[] },
): Promise<void> {
  t.equal((await gateway.push({ body: gmail })).status, 204)
  t.equal((await post(gateway, outlook)).status, 202)
}

async function sizeOf({ app }: TestGateway): Promise<object> {
  const { redis: client, keys } = app
  return {
    keys: await client.dbsize(),
    dead: await client.xlen(keys.intakeDead),
    events: [(await eventsOf(app)).length, (await eventsOf(app, BO)).length],
  }
}

async function slow(t: Test, url: string, head: string): Promise<{ ended: () => boolean }> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  t.teardown(() => socket.destroy())
  let isOver = false
  socket.resume()
  socket.on('error', () => socket.destroy()).on('end', () => socket.destroy())
  socket.on('close', () => {
    isOver = true
  })
  await once(socket, 'connect')
  if (head !== '') socket.write(head)
  return { ended: () => isOver }
}
