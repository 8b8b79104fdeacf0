import { connect } from 'node:net'
import t from 'tap'
import { countArrivals } from '../../../shared/redis/arrivals.ts'
import { listDead } from '../../../shared/redis/dead.ts'
import { eventsOf, openGateway, pushOf } from '../../support/gateway.ts'
import { SERVICE_ACCOUNT, startGoogleKeys, unsignedToken } from '../../support/google-keys.ts'
import { ANA } from '../../support/pipeline.ts'
import { startRedis } from '../../support/redis.ts'
import { until } from '../../support/until.ts'

const redis = await startRedis()
const google = await startGoogleKeys()
t.teardown(async () => {
  await google.close()
  await redis.stop()
})

const NOW = Math.floor(Date.now() / 1000)
const LATER = NOW + 1800

t.test('a push of Google is in the stream before the answer', async t => {
  const { app, push } = await openGateway(t, redis.url, google)
  const answer = await push({ body: pushOf({ historyId: 1234567890123, emailAddress: 'Ana@Example.com' }) })
  t.equal(answer.status, 204)
  t.match(await eventsOf(app), [{ mailbox: ANA, lane: 'bulk', body: { cause: 'push', historyId: '1234567890123' } }])
  t.equal((await push({ body: pushOf({ historyId: '1001' }) })).status, 204, 'the history id may be a text')
  t.equal((await eventsOf(app)).length, 2)
})

const forged: [what: string, authorization: () => Promise<string> | string, says: RegExp][] = [
  ['no header', () => '', /carries no token/],
  ['another scheme', async () => `Basic ${await google.token()}`, /no bearer token/],
  ['a bearer without a token', () => 'Bearer', /no bearer token/],
  ['garbage', () => 'Bearer not-a-token-at-all', /cannot be read/],
  ['three garbage parts', () => 'Bearer aaaa.bbbb.cccc', /cannot be read/],
  ['no algorithm', () => `Bearer ${unsignedToken()}`, /not signed with RS256/],
  ['HMAC with the public key', async () => `Bearer ${await google.hmacToken()}`, /not signed with RS256/],
  ['the signature of another key', async () => bearer({ key: 'another' }), /signature of its token is wrong/],
  ['an unknown key', async () => bearer({ header: { kid: 'key-2' } }), /unknown key/],
  ['a changed payload', async () => tampered(await google.token()), /signature of its token is wrong/],
  ['expired', async () => bearer({ claims: { iat: NOW - 7000, exp: NOW - 3400 } }), /expired/],
  ['no expiry', async () => bearer({ claims: { exp: undefined } }), /claim exp .* missing/],
  ['issued in the future', async () => bearer({ claims: { iat: LATER, exp: LATER + 3600 } }), /claim iat .* wrong/],
  ['not valid yet', async () => bearer({ claims: { nbf: LATER } }), /claim nbf .* wrong/],
  ['another issuer', async () => bearer({ claims: { iss: 'https://accounts.example.com' } }), /claim iss .* wrong/],
  ['another audience', async () => bearer({ claims: { aud: 'https://other.example.com' } }), /claim aud .* wrong/],
  ['no audience', async () => bearer({ claims: { aud: undefined } }), /claim aud .* missing/],
  ['another sender', async () => bearer({ claims: { email: `not-${SERVICE_ACCOUNT}` } }), /GMAIL_PUSH_SERVICE_ACCOUNT/],
  ['no sender', async () => bearer({ claims: { email: undefined } }), /GMAIL_PUSH_SERVICE_ACCOUNT/],
  ['an unverified sender', async () => bearer({ claims: { email_verified: false } }), /not verified/],
  ['a sender verified in words', async () => bearer({ claims: { email_verified: 'true' } }), /not verified/],
]

t.test('a forged or broken push is refused with 401, and logged without its token', async t => {
  for (const [what, make, says] of forged) {
    const { app, push, reported, stop } = await openGateway(t, redis.url, google)
    const authorization = await make()
    const answer = await push({ authorization })
    t.equal(answer.status, 401, what)
    t.match(answer.headers.get('content-type'), /application\/problem\+json/)
    t.equal(answer.headers.get('www-authenticate'), 'Bearer')
    const body = await answer.text()
    t.match(JSON.parse(body), { title: 'Unauthorized', status: 401, detail: says }, what)
    t.match(reported, [/^warn .*push refused/], what)
    t.match(reported[0], says, what)
    const token = authorization.split(' ')[1] ?? ''
    const parts = [token, ...token.split('.')].filter(part => part.length > 3)
    t.notOk(
      parts.some(part => `${reported.join()}${body}`.includes(part)),
      `${what}: the token is told nowhere`,
    )
    t.same(await eventsOf(app), [])
    t.same(await countArrivals(app.redis, app.keys), { posted: 0, duplicate: 0, stale: 0, unknown: 0 })
    await stop()
  }
})

t.test('a flood of forged pushes logs few lines and blocks no genuine push', async t => {
  const { push, reported, app, stop } = await openGateway(t, redis.url, google)
  for (let n = 0; n < 200; n += 1) await push({ authorization: 'Bearer forged' })
  t.equal(reported.length, 1)
  t.equal((await push()).status, 204)
  t.equal((await eventsOf(app)).length, 1)
  await stop()
  const refused = reported.filter(line => line.includes('push refused'))
  t.match(refused, [/"count":1\b/, /"count":199\b/], 'all are counted')
})

t.test('duplicate, stale and unknown pushes are accepted and start no run', async t => {
  const { app, push, reported } = await openGateway(t, redis.url, google)
  const twice = pushOf({ historyId: 1001 })
  const bodies = [
    twice,
    twice,
    pushOf({ historyId: 999 }),
    pushOf({ historyId: 1000 }),
    pushOf({ historyId: 5, emailAddress: 'nobody@example.com' }),
    pushOf({ historyId: 6, emailAddress: 'nobody@example.com' }),
  ]
  for (const body of bodies) t.equal((await push({ body })).status, 204)
  t.same(
    (await eventsOf(app)).map(({ body }) => [body.historyId, body.stale === true]),
    [
      ['1001', false],
      ['999', true],
      ['1000', false],
    ],
    'the very id that was listed up to is looked at once more, and old news is marked as such',
  )
  t.same(await countArrivals(app.redis, app.keys), { posted: 2, duplicate: 1, stale: 1, unknown: 2 })
  t.equal(reported.filter(line => line.includes('not connected')).length, 1, 'an unknown mailbox is logged once')
})

t.test('ten concurrent copies of a push cause one event', async t => {
  const { app, push } = await openGateway(t, redis.url, google)
  const body = pushOf({ historyId: 1001 })
  const answers = await Promise.all(Array.from({ length: 10 }, () => push({ body })))
  t.ok(answers.every(({ status }) => status === 204))
  t.equal((await eventsOf(app)).length, 1)
})

t.test('a repeat after its id has expired requests the same run', async t => {
  const { app, push } = await openGateway(t, redis.url, google)
  const body = pushOf({ historyId: 1001, messageId: 'again' })
  await push({ body })
  await app.redis.del(app.keys.seen(app.keys.partitionOf(ANA), 'again'))
  await push({ body })
  const events = await eventsOf(app)
  t.equal(events.length, 2)
  t.equal(events[0]?.run, events[1]?.run)
})

t.test('an unreadable push of Google is accepted and dead-lettered', async t => {
  const { app, push } = await openGateway(t, redis.url, google)
  const data = Buffer.from('{"emailAddress":"ana"}').toString('base64')
  const bodies = ['{', 'null', '{"message":{}}', JSON.stringify({ message: { data, messageId: 'm' } })]
  for (const body of bodies) t.equal((await push({ body })).status, 204, body)
  const letters = await listDead(app.redis, app.keys, { stage: 'gateway' })
  t.equal(letters.length, 4)
  t.match(letters.at(-1), {
    name: /^gateway\/intake\/\d+-\d+$/,
    stream: 'intake',
    kind: 'unparsable',
    message: 'not a Gmail notification: historyId (invalid_union)',
    text: JSON.stringify(['data', data, 'messageId', 'm']),
  })
})

t.test('a push with payload unwrapping is accepted', async t => {
  const { app, url } = await openGateway(t, redis.url, google)
  const bodyWith = (historyId: number | string) => JSON.stringify({ emailAddress: 'Ana@Example.com', historyId })
  const push = async (body: string, headers: Record<string, string> = {}) => {
    const authorization = `Bearer ${await google.token()}`
    return (await fetch(`${url}/gmail/push`, { method: 'POST', headers: { authorization, ...headers }, body })).status
  }
  const metadata = { 'x-goog-pubsub-message-id': 'u1', 'x-goog-pubsub-publish-time': '2026-11-23T09:30:00.125Z' }
  t.equal(await push(bodyWith(1001), metadata), 204)
  t.equal(await push(bodyWith(1001), metadata), 204, 'the same message again')
  t.equal(await push(bodyWith('1002')), 204, 'without metadata')
  t.equal(await push(bodyWith('1002')), 204, 'the same news again')
  t.equal(
    await push(bodyWith(1003), { 'x-goog-pubsub-message-id': 'x'.repeat(300) }),
    204,
    'an id that is too long is none',
  )
  const wrapped = { message: { data: Buffer.from(bodyWith(1004)).toString('base64'), messageId: 'w1' } }
  t.equal(await push(JSON.stringify(wrapped), metadata), 204, 'a wrapped push uses its own id')
  t.same(
    (await eventsOf(app)).map(({ body }) => body.historyId),
    ['1001', '1002', '1003', '1004'],
  )
  t.equal((await eventsOf(app))[0]?.run.split('-')[0], Date.parse('2026-11-23T09:30:00.125Z').toString(36))
  t.same(await listDead(app.redis, app.keys, { stage: 'gateway' }), [])
  t.equal(await push('{"status":"Hello there"}', metadata), 204)
  const [letter] = await listDead(app.redis, app.keys, { stage: 'gateway' })
  t.match(letter, { message: /no message with data, and is not a Gmail notification either/ })
})

t.test('an oversized push is refused after authentication', async t => {
  const { push } = await openGateway(t, redis.url, google)
  const body = JSON.stringify({ message: { data: 'A'.repeat(100_000) } })
  t.equal((await push({ body })).status, 413)
  t.equal((await push({ body, authorization: 'Bearer forged' })).status, 401)
})

t.test('too many refused requests get 429', async t => {
  const { push } = await openGateway(t, redis.url, google, { settings: { GATEWAY_RATE_LIMIT: '3' } })
  for (let n = 0; n < 5; n += 1) t.equal((await push()).status, 204, 'accepted pushes do not count')
  for (let n = 0; n < 3; n += 1) t.equal((await push({ authorization: 'Bearer forged' })).status, 401)
  const asked = google.asked()
  const answer = await push({ token: await google.token({ header: { kid: 'unknown' } }) })
  t.equal(answer.status, 429, 'no key is requested')
  t.ok(Number(answer.headers.get('retry-after')) > 0)
  t.match(await answer.json(), { title: 'Too Many Requests', detail: /try again in/ })
  t.equal(google.asked(), asked)
  t.equal((await push()).status, 204, 'a push of Google is accepted although its address is rate-limited')
})

t.test('no push is accepted without the settings of its sender', async t => {
  const settings = { GMAIL_PUSH_AUDIENCE: '', GMAIL_PUSH_SERVICE_ACCOUNT: '' }
  const { push, app } = await openGateway(t, redis.url, google, { settings })
  const answer = await push()
  t.equal(answer.status, 503)
  t.match(await answer.json(), { detail: /set GMAIL_PUSH_AUDIENCE and GMAIL_PUSH_SERVICE_ACCOUNT/ })
  t.same(await eventsOf(app), [])
  await t.rejects(openGateway(t, redis.url, google, { settings: { GMAIL_PUSH_AUDIENCE: '' } }), {
    message: /GMAIL_PUSH_SERVICE_ACCOUNT is set but GMAIL_PUSH_AUDIENCE is not/,
  })
})

t.test('without keys a push gets 503, and requests for keys are shared', async t => {
  const away = await startGoogleKeys()
  const { push, reported } = await openGateway(t, redis.url, away)
  const token = await away.token()
  await away.close()
  t.equal((await push({ token })).status, 503)
  t.match(reported, [/^error .*public keys are unavailable \(ECONNREFUSED\)/])
  const there = await startGoogleKeys()
  t.teardown(() => there.close())
  const gateway = await openGateway(t, redis.url, there)
  const tokens = await Promise.all(Array.from({ length: 20 }, () => there.token()))
  for (const answer of await Promise.all(tokens.map(token => gateway.push({ token })))) t.equal(answer.status, 204)
  t.equal(there.asked(), 1)
})

t.test('without Redis a push gets 503, and its retry counts once', async t => {
  const own = await startRedis('--appendonly', 'yes')
  t.teardown(() => own.stop())
  const { push, url, app } = await openGateway(t, own.url, google)
  t.equal((await fetch(`${url}/readyz`)).status, 200)
  const body = pushOf({ historyId: 1001 })
  await own.kill('SIGKILL')
  t.equal((await push({ body })).status, 503)
  t.equal((await fetch(`${url}/readyz`)).status, 503)
  t.equal((await fetch(`${url}/healthz`)).status, 200, 'the gateway is still alive')
  await own.restart()
  await until(async () => (await fetch(`${url}/readyz`)).status === 200, 'it is ready again')
  t.equal((await push({ body })).status, 204)
  t.equal((await push({ body })).status, 204)
  t.equal((await eventsOf(app)).length, 1)
})

t.test('a push is answered in time although Redis does not answer', async t => {
  const own = await startRedis()
  t.teardown(() => own.stop())
  const { push, app } = await openGateway(t, own.url, google)
  const body = pushOf({ historyId: 1001 })
  await own.client.client('PAUSE', 7000, 'ALL')
  const since = Date.now()
  t.equal((await push({ body })).status, 503)
  t.ok(Date.now() - since < 9000)
  await until(() => own.client.ping(), 'it answers again')
  t.equal((await push({ body })).status, 204)
  t.equal((await eventsOf(app)).length, 1, 'it may have happened the first time')
})

t.test('a stream of a wrong type loses no push', async t => {
  const { push, app } = await openGateway(t, redis.url, google)
  const stream = app.keys.stream(app.keys.partitionOf(ANA), 'watch-events', 'bulk')
  await redis.client.set(stream, 'no stream')
  const body = pushOf({ historyId: 1001 })
  t.equal((await push({ body })).status, 503)
  await redis.client.del(stream)
  t.equal((await push({ body })).status, 204)
  t.equal((await eventsOf(app)).length, 1)
})

t.test('a stopping gateway finishes in-flight requests and accepts no more', async t => {
  const own = await startRedis()
  t.teardown(() => own.stop())
  const { push, stop, app } = await openGateway(t, own.url, google)
  await push()
  // Raw reads: the client library misbehaves when the server is busy at the start.
  const listening = connect(own.port, '127.0.0.1')
  t.teardown(() => listening.destroy())
  let heard = ''
  listening.on('data', data => {
    heard += data
  })
  listening.write('MONITOR\r\n')
  await until(() => heard.startsWith('+OK'), 'it listens')
  await own.client.client('PAUSE', 1000, 'WRITE')
  const begun = push()
  const asked = `"hget" "${app.keys.mailbox(ANA)}"`
  await until(() => heard.toLowerCase().includes(asked.toLowerCase()), 'the push is in flight')
  const since = Date.now()
  await stop()
  t.ok(Date.now() - since < 1900, 'no connection that is kept keeps it up')
  t.equal((await begun).status, 204)
  t.equal((await eventsOf({ redis: own.client, keys: app.keys })).length, 2)
  await t.rejects(push())
})

t.test('an unknown path gets 404', async t => {
  const { url } = await openGateway(t, redis.url, google)
  const answer = await fetch(`${url}/nothing`)
  t.equal(answer.status, 404)
  t.match(await answer.json(), { status: 404, title: 'Not Found' })
})

t.test('a push reaches the stream in under 20 ms', async t => {
  const { push, app } = await openGateway(t, redis.url, google)
  await push()
  const tookMs: number[] = []
  for (let n = 0; n < 50; n += 1) {
    const [token, body] = [await google.token(), pushOf({ historyId: 2000 + n })]
    const since = performance.now()
    await push({ token, body })
    tookMs.push(performance.now() - since)
  }
  const median = tookMs.sort((a, b) => a - b)[25] ?? 0
  t.comment(`median ${median.toFixed(1)} ms, slowest ${tookMs.at(-1)?.toFixed(1)} ms`)
  t.ok(median < 20)
  t.equal((await eventsOf(app)).length, 51)
})

async function bearer(change: Parameters<typeof google.token>[0]): Promise<string> {
  return `Bearer ${await google.token(change)}`
}

function tampered(token: string): string {
  const [header = '', payload = '', signature = ''] = token.split('.')
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object
  const changed = Buffer.from(JSON.stringify({ ...claims, sub: 'another' })).toString('base64url')
  return `Bearer ${header}.${changed}.${signature}`
}
