import t, { type Test } from 'tap'
import { readConfig } from '../../../shared/config.ts'
import { clientStateKeys, clientStateOf } from '../../../shared/outlook/client-state.ts'
import { countArrivals } from '../../../shared/redis/arrivals.ts'
import { readDue } from '../../../shared/redis/subscriptions.ts'
import { eventsOf, openGateway, type TestGateway } from '../../support/gateway.ts'
import { startGoogleKeys } from '../../support/google-keys.ts'
import { BO, CLIENT_STATE, CY, changeOf, lifecycleOf, stateOf, subscribe } from '../../support/graph-notifications.ts'
import { ANA } from '../../support/pipeline.ts'
import { startRedis } from '../../support/redis.ts'
import { until } from '../../support/until.ts'

const redis = await startRedis()
const google = await startGoogleKeys()
t.teardown(async () => {
  await google.close()
  await redis.stop()
})

const NOTHING = { posted: 0, duplicate: 0, stale: 0, unknown: 0 }

t.test('the validation request gets its decoded token as plain text', async t => {
  const { url, app } = await open(t)
  const written = async () => (await app.redis.keys('*')).filter(key => !key.includes(':intake')).sort()
  const before = await written()
  const tokens = [
    'Validation: Testing client application reachability for subscription Request-Id: 4f7e',
    '<script>alert(1)</script>',
    'a+b & c=d?e#f %41 "q" \'s\' \\ /',
    'späße ✉ 日本語 🦉',
    'line\r\nSet-Cookie: a=b',
    '{"json":true}',
    'x'.repeat(2048),
  ]
  for (const path of ['notifications', 'lifecycle']) {
    for (const token of tokens) {
      const answer = await fetch(`${url}/outlook/${path}?validationToken=${encodeURIComponent(token)}`, {
        method: 'POST',
        headers: { 'content-type': 'text/plain; charset=utf-8' },
      })
      t.equal(answer.status, 200)
      t.equal(answer.headers.get('content-type'), 'text/plain; charset=utf-8')
      t.equal(answer.headers.get('x-content-type-options'), 'nosniff')
      t.equal(answer.headers.get('set-cookie'), null)
      t.equal(await answer.text(), token)
    }
  }
  const plus = await fetch(`${url}/outlook/notifications?validationToken=two+words%21`, { method: 'POST' })
  t.equal(await plus.text(), 'two words!', 'a space may come as a plus')
  const refused = ['validationToken=', `validationToken=${'x'.repeat(2049)}`, 'validationToken=a&validationToken=b']
  for (const query of refused) {
    const answer = await fetch(`${url}/outlook/notifications?${query}`, { method: 'POST' })
    t.equal(answer.status, 400)
    t.match(answer.headers.get('content-type'), /application\/problem\+json/)
  }
  t.same(await written(), before)
})

t.test('a change is in the stream of its mailbox before the answer', async t => {
  const { app, post } = await open(t)
  const answer = await post([changeOf('sub-bo', stateOf(BO))])
  t.equal(answer.status, 202)
  t.equal(await answer.text(), '')
  t.match(await eventsOf(app, BO), [{ mailbox: BO, lane: 'bulk', body: { cause: 'push' } }])
  t.same(await eventsOf(app, CY), [])
})

t.test('all changes of a mailbox in one POST cause one event', async t => {
  const { app, post } = await open(t)
  const [bo, cy] = [stateOf(BO), stateOf(CY)]
  const changes = Array.from({ length: 300 }, (_, n) => (n % 3 === 0 ? changeOf('sub-cy', cy) : changeOf('sub-bo', bo)))
  t.equal((await post(changes)).status, 202)
  t.equal((await eventsOf(app, BO)).length, 1)
  t.equal((await eventsOf(app, CY)).length, 1)
})

t.test('a repeated POST counts once; the next change counts again', async t => {
  const { app, post } = await open(t)
  const value = [changeOf('sub-bo', stateOf(BO)), changeOf('sub-bo', stateOf(BO))]
  const answers = await Promise.all(Array.from({ length: 5 }, () => post(value)))
  t.ok(answers.every(({ status }) => status === 202))
  t.equal((await eventsOf(app, BO)).length, 1)
  t.match(await countArrivals(app.redis, app.keys), { posted: 1, duplicate: 4 })
  await post([value[0] ?? {}])
  await post([changeOf('sub-bo', stateOf(BO))])
  t.equal((await eventsOf(app, BO)).length, 3)
})

t.test('notifications without a unique name are checked each time', async t => {
  const { app, post } = await open(t)
  const bare = changeOf('sub-bo', stateOf(BO), { resourceData: null })
  const missed = lifecycleOf('sub-bo', stateOf(BO), 'missed')
  const named = { ...missed, id: 'a' }
  for (const item of [bare, bare, missed, missed, named, named]) t.equal((await post([item])).status, 202)
  t.equal((await eventsOf(app, BO)).length, 6)
})

const forged: [what: string, item: () => unknown, unknown: number, reported: RegExp][] = [
  ['another clientState', () => changeOf('sub-bo', 'x'.repeat(43)), 0, /with a wrong clientState/],
  ['a clientState of another length', () => changeOf('sub-bo', 'short'), 0, /with a wrong clientState/],
  ['no clientState', () => changeOf('sub-bo', undefined), 0, /with a wrong clientState/],
  ['an empty clientState', () => changeOf('sub-bo', ''), 0, /with a wrong clientState/],
  ['the clientState of another mailbox', () => changeOf('sub-bo', stateOf(CY)), 0, /with a wrong clientState/],
  ['one letter more', () => changeOf('sub-bo', `${stateOf(BO)}A`), 0, /with a wrong clientState/],
  ['another case', () => changeOf('sub-bo', stateOf(BO).toUpperCase()), 0, /with a wrong clientState/],
  ['the secret itself', () => changeOf('sub-bo', CLIENT_STATE), 0, /with a wrong clientState/],
  ['an unknown subscription', () => changeOf('sub-nobody', stateOf(BO)), 1, /unknown subscriptions/],
  ['the subscription of a prototype', () => changeOf('__proto__', stateOf(BO)), 1, /unknown subscriptions/],
  ['a forged removal', () => lifecycleOf('sub-bo', stateOf(CY), 'subscriptionRemoved'), 0, /wrong clientState/],
  ['a forged reauthorisation', () => lifecycleOf('sub-bo', '', 'reauthorizationRequired'), 0, /wrong clientState/],
  ['a forged miss', () => lifecycleOf('sub-bo', 'missed', 'missed'), 0, /wrong clientState/],
]

t.test('a forged notification gets 202, is logged, and has no effect', async t => {
  for (const [what, make, unknown, says] of forged) {
    const { app, post, reported } = await open(t)
    const answer = await post([make()])
    t.equal(answer.status, 202, what)
    t.equal(await answer.text(), '', what)
    t.match(reported, [says], what)
    t.notMatch(reported.join(), new RegExp(`${stateOf(BO)}|${CLIENT_STATE}|AAMk1|sub-bo`), `${what}: no secret is told`)
    t.same(await eventsOf(app, BO), [], what)
    t.same(await readDue(app.redis, app.keys), [], what)
    t.same(await countArrivals(app.redis, app.keys), { ...NOTHING, unknown }, what)
  }
})

t.test('only the genuine notification among forged ones has an effect', async t => {
  const { app, post } = await open(t)
  const value = [
    null,
    7,
    'x',
    [],
    {},
    { subscriptionId: 5 },
    changeOf('sub-cy', stateOf(BO)),
    changeOf('sub-bo', stateOf(BO)),
  ]
  t.equal((await post(value)).status, 202)
  t.equal((await eventsOf(app, BO)).length, 1)
  t.equal((await eventsOf(app, CY)).length, 0)
})

t.test('a thousand forged notifications in a POST cause one log line', async t => {
  const { app, post, reported } = await open(t)
  const value = Array.from({ length: 1000 }, (_, n) => changeOf(n % 2 ? 'sub-bo' : `sub-${n}`, 'wrong'))
  t.equal((await post(value)).status, 202)
  t.equal(reported.length, 2)
  t.match(
    reported.find(line => line.includes('clientState')),
    /"count":500/,
  )
  t.match(await countArrivals(app.redis, app.keys), { posted: 0, unknown: 500 })
  for (let n = 0; n < 100; n += 1) await post([changeOf('sub-bo', 'wrong')])
  t.equal(reported.length, 2, 'a flood of forged ones is no flood of lines')
  t.equal((await post([changeOf('sub-bo', stateOf(BO))])).status, 202)
  t.equal((await eventsOf(app, BO)).length, 1)
})

t.test('a body without notifications is refused', async t => {
  const { app, url, reported } = await open(t)
  const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`
  const bodies = [
    '',
    '{',
    'null',
    '[]',
    '{}',
    '{"value":{}}',
    '{"value":[]}',
    '{"value":[{}]}',
    '{"value":[null]}',
    deep,
  ]
  bodies.push(`{"value":${deep}}`, `{"__proto__":{"value":[{"subscriptionId":"sub-bo"}]}}`)
  for (const path of ['notifications', 'lifecycle']) {
    for (const body of bodies) {
      const answer = await fetch(`${url}/outlook/${path}`, { method: 'POST', body })
      t.equal(answer.status, 400, body.slice(0, 40))
      t.match(await answer.json(), { status: 400, detail: /not a Graph notification/ })
    }
  }
  t.ok(reported.every(line => line.includes('is no notification')))
  const large = JSON.stringify({ value: [changeOf('sub-bo', stateOf(BO), { resource: 'x'.repeat(1_100_000) })] })
  t.equal((await fetch(`${url}/outlook/notifications`, { method: 'POST', body: large })).status, 413)
  t.equal((await fetch(`${url}/outlook/notifications`)).status, 404)
  t.same(await eventsOf(app, BO), [])
  t.same(await countArrivals(app.redis, app.keys), NOTHING)
})

t.test('lifecycle events are recorded for the keeper', async t => {
  const { app, post } = await open(t)
  const due = async () => (await readDue(app.redis, app.keys)).sort((a, b) => (a.due < b.due ? -1 : 1))
  const say = (event: string) => post([lifecycleOf('sub-bo', stateOf(BO), event)], '/outlook/lifecycle')
  for (let n = 0; n < 3; n += 1) t.equal((await say('reauthorizationRequired')).status, 202)
  t.same(await due(), [{ id: 'sub-bo', due: 'renew', mailbox: BO }])
  t.equal((await eventsOf(app, BO)).length, 0, 'nothing is lost yet')
  t.equal((await say('subscriptionRemoved')).status, 202)
  t.match(await due(), [{ due: 'removed', mailbox: BO }, { due: 'renew' }])
  t.equal((await eventsOf(app, BO)).length, 1)
  for (const event of ['missed', 'somethingNew', 'constructor']) t.equal((await say(event)).status, 202)
  t.equal((await due()).length, 2)
  t.equal((await eventsOf(app, BO)).length, 4)
})

t.test('older keys of MAILBOXES_KEY are still accepted', async t => {
  const key = (fill: number) => Buffer.alloc(32, fill).toString('base64')
  const state = (settings: Record<string, string>) => {
    const [made = Buffer.alloc(0)] = clientStateKeys({ sealingKeys: readConfig(settings).MAILBOXES_KEY })
    return clientStateOf(made, BO)
  }
  const old = state({ MAILBOXES_KEY: key(1) })
  const settings = { OUTLOOK_CLIENT_STATE: '', MAILBOXES_KEY: `v2:${key(2)},v1:${key(1)}` }
  const { app, post } = await open(t, settings)
  for (const one of [old, state(settings), state({ MAILBOXES_KEY: key(3) })]) await post([changeOf('sub-bo', one)])
  t.equal((await eventsOf(app, BO)).length, 2)
  const bare = await open(t, { OUTLOOK_CLIENT_STATE: '' })
  const answer = await bare.post([changeOf('sub-bo', '')])
  t.equal(answer.status, 503)
  t.match(await answer.json(), { detail: /set MAILBOXES_KEY or OUTLOOK_CLIENT_STATE/ })
})

t.test('too many refused requests get 429', async t => {
  const { post } = await open(t, { GATEWAY_RATE_LIMIT: '3' })
  for (let n = 0; n < 5; n += 1) t.equal((await post([changeOf('sub-bo', stateOf(BO))])).status, 202)
  for (let n = 0; n < 3; n += 1)
    t.equal((await post([changeOf('sub-bo', 'wrong')])).status, 202, 'dropped, which counts')
  const answer = await post([changeOf('sub-bo', 'wrong')])
  t.equal(answer.status, 429)
  t.ok(Number(answer.headers.get('retry-after')) > 0)
  t.equal((await post([null])).status, 429)
  t.equal(
    (await post([changeOf('sub-bo', stateOf(BO))])).status,
    202,
    'a notification of Graph is accepted although its address is rate-limited',
  )
})

t.test('a notification of a removed mailbox is accepted, counted and dropped', async t => {
  const { app, post } = await open(t)
  await app.redis.del(app.keys.mailbox(BO))
  t.equal((await post([changeOf('sub-bo', stateOf(BO))])).status, 202)
  t.match(await countArrivals(app.redis, app.keys), { posted: 0, unknown: 1 })
})

t.test('without Redis a notification gets 503 in time, and nothing is lost', async t => {
  const own = await startRedis('--appendonly', 'yes', '--appendfsync', 'always')
  t.teardown(() => own.stop())
  const { app, post, url } = await open(t, {}, own.url)
  const change = changeOf('sub-bo', stateOf(BO))
  const removed = lifecycleOf('sub-cy', stateOf(CY), 'subscriptionRemoved')
  await own.kill('SIGKILL')
  const since = Date.now()
  t.equal((await post([change, removed])).status, 503)
  t.ok(Date.now() - since < 3000)
  await own.restart()
  await until(async () => (await fetch(`${url}/readyz`)).status === 200, 'it is ready again')
  await app.redis.client('PAUSE', 4000, 'ALL').catch(() => undefined)
  const later = Date.now()
  t.equal((await post([change, removed])).status, 503, 'a Redis that does not answer is not waited for')
  t.ok(Date.now() - later < 3000)
  await until(async () => (await fetch(`${url}/readyz`)).status === 200, 'it answers again')
  t.equal((await post([change, removed])).status, 202)
  t.equal((await eventsOf(app, BO)).length, 1)
  t.ok((await eventsOf(app, CY)).length >= 1)
  t.match(await readDue(app.redis, app.keys), [{ id: 'sub-cy', due: 'removed', mailbox: CY }])
})

t.test('a stream of a wrong type loses no notification', async t => {
  const { app, post } = await open(t)
  const stream = app.keys.stream(app.keys.partitionOf(BO), 'watch-events', 'bulk')
  await app.redis.set(stream, 'no stream')
  const change = changeOf('sub-bo', stateOf(BO))
  t.equal((await post([change])).status, 503)
  await app.redis.del(stream)
  t.equal((await post([change])).status, 202)
  t.equal((await eventsOf(app, BO)).length, 1)
})

async function open(t: Test, settings: Record<string, string> = {}, url = redis.url): Promise<Gate> {
  const gateway = await openGateway(t, url, google, { settings: { OUTLOOK_CLIENT_STATE: CLIENT_STATE, ...settings } })
  const { redis: client, keys } = gateway.app
  await subscribe({ redis: client, keys }, BO, 'sub-bo')
  await subscribe({ redis: client, keys }, CY, 'sub-cy')
  t.equal((await eventsOf(gateway.app, ANA)).length, 0)
  return {
    ...gateway,
    post: (value, path = '/outlook/notifications') =>
      fetch(`${gateway.url}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ value }),
      }),
  }
}

interface Gate extends TestGateway {
  post(value: readonly unknown[], path?: string): Promise<Response>
}
