import t, { type Test } from 'tap'
import { until } from '../../support/until.ts'
import { failure, openCall } from '../gmail/google.ts'
import { clientOf, graphError, type Reply, scriptedQuota, startGraph } from './graph.ts'

const PROMPTLY_MS = 2000
const sending = (call = openCall()) => ({ doing: 'asking', call, kind: 'single' as const, units: 1 })

async function open(t: Test, script: Parameters<typeof startGraph>[0], options: Parameters<typeof clientOf>[1] = {}) {
  const graph = await startGraph(script)
  t.teardown(() => graph.close())
  return { graph, ...clientOf(graph, options) }
}

t.test('a path goes below the root with the bearer, headers and body', async t => {
  const { graph, client } = await open(t, () => ({
    status: 201,
    body: { fine: true },
    headers: { 'retry-after': '2.5' },
  }))
  const got = await client.send(sending(), { url: '/me?$select=mail', headers: { prefer: 'IdType="ImmutableId"' } })
  t.same(got, { status: 201, body: { fine: true }, retryAfter: '2.5' })
  await client.send(sending(), { method: 'POST', url: '/$batch', body: { requests: [] } })
  t.match(graph.asked[0], {
    method: 'GET',
    path: '/v1.0/me?$select=mail',
    headers: { authorization: 'Bearer s3cret-1', prefer: 'IdType="ImmutableId"' },
    body: '',
  })
  t.match(graph.asked[1], {
    method: 'POST',
    path: '/v1.0/$batch',
    headers: { 'content-type': 'application/json' },
    body: '{"requests":[]}',
  })
})

t.test('answers of any status are returned, JSON parsed and the rest as text', async t => {
  const replies: Reply[] = [
    { status: 404, body: graphError('ErrorItemNotFound') },
    { status: 503, body: '<html>busy</html>' },
    { status: 200, body: '{"value":[' },
    { status: 204 },
  ]
  const { client } = await open(t, () => replies.shift() ?? 'hang up')
  const got = []
  while (replies.length > 0) got.push(await client.send(sending(), { url: '/me' }))
  t.same(
    got.map(({ status, body }) => [status, body]),
    [
      [404, graphError('ErrorItemNotFound')],
      [503, '<html>busy</html>'],
      [200, '{"value":['],
      [204, ''],
    ],
  )
})

t.test('a link is followed unchanged in any version, but only to Graph', async t => {
  const { graph, client } = await open(t, () => ({ body: {} }))
  const odd = '/v1.0/me/mailFolders(%27A+B%2F=%27)/messages/delta?$deltatoken=a%2Bb/c=='
  await client.send(sending(), { url: `${graph.url}${odd}` })
  await client.send(sending(), { url: `${graph.url}/beta/me` })
  t.same(
    graph.asked.map(({ path }) => path),
    [odd, '/beta/me'],
  )
  t.equal(client.pathOf(`${graph.url}${odd}`), odd.slice('/v1.0'.length))
  t.equal(client.pathOf('/me'), '/me')
  for (const link of [`${graph.url}/beta/me`, `${graph.url}/v1.0evil/me`, 'https://example.com/v1.0/me', 'me', '']) {
    t.equal(client.pathOf(link), undefined, link)
  }
  graph.asked.length = 0
  const call = openCall()
  const host = graph.url.replace('http://', '')
  for (const link of [
    'https://example.com/v1.0/me?token=s3cret',
    `https://${host}/v1.0/me`,
    `http://${host}.example.com/v1.0/me`,
    `http://${host}@example.com/`,
    'file:///etc/passwd',
    'me/messages',
    '',
  ]) {
    const thrown = await failure(client.send(sending(call), { url: link }))
    t.match(thrown, { kind: 'unparsable', message: /^asking: .*leads away from http/ })
    t.notMatch(thrown.message, /s3cret|example\.com/)
  }
  await client.send(sending(), { url: '//example.com/me' })
  t.same([graph.asked.length, call.metered.length], [1, 0], 'a lookalike host is treated as a path')
})

t.test('a redirect is not followed, so the bearer stays', async t => {
  const other = await startGraph(() => ({ body: {} }))
  t.teardown(() => other.close())
  const { graph, client } = await open(t, () => ({ status: 307, headers: { location: `${other.url}/v1.0/me` } }))
  t.match(await client.send(sending(), { url: '/me' }), { status: 307 })
  t.same([graph.asked.length, other.asked.length], [1, 0])
})

t.test('a 401 that a new token may fix is unavailable; others are returned', async t => {
  const { client, tokens } = await open(t, () => ({ status: 401 }), { refused: true })
  t.match(await failure(client.send(sending(), { url: '/me' })), {
    kind: 'unavailable',
    message: /requesting another/,
  })
  t.same(tokens, { given: 1, refused: ['s3cret-1'] })
  const last = await open(t, () => ({ status: 401 }))
  t.match(await last.client.send(sending(), { url: '/me' }), { status: 401 })
})

t.test('each request is metered once when sent, and never repeated', async t => {
  const { graph, client } = await open(t, ({ path }) => (path.endsWith('cut') ? 'hang up' : { status: 500 }))
  const call = openCall()
  await client.send({ ...sending(call), kind: 'batch', units: 7 }, { url: '/me' })
  const thrown = await failure(client.send(sending(call), { url: '/cut' }))
  t.match(thrown, { kind: 'unavailable', message: /^asking: no answer from Microsoft \(E\w+\)$/ })
  t.notOk(thrown.cause, 'the thrown error may hold the request')
  t.same(call.metered, [
    ['batch', 7],
    ['single', 1],
  ])
  t.equal(graph.asked.length, 2)
})

t.test('an abort is answered promptly, and a silent Graph times out', async t => {
  const { graph, client, tokens } = await open(t, () => 'never')
  const before = openCall()
  before.abort()
  t.match(await failure(client.send(sending(before), { url: '/me' })), {
    kind: 'unavailable',
    message: /before it was sent/,
  })
  t.same([before.metered.length, tokens.given], [0, 0])
  const during = openCall()
  const thrown = failure(client.send(sending(during), { url: '/me' }))
  await until(() => graph.asked.length === 1, 'it is asked')
  const began = Date.now()
  during.abort()
  t.match(await thrown, { kind: 'unavailable', message: /aborted before an answer came/ })
  t.ok(Date.now() - began < PROMPTLY_MS)
  const hasty = clientOf(graph, { timeoutMs: 50 })
  t.match(await failure(hasty.client.send(sending(), { url: '/me' })), {
    message: /no answer from Microsoft within 50 ms/,
  })
})

t.test('a permit is acquired for the cost and settled by the answer', async t => {
  const replies: Reply[] = [
    { body: {} },
    { status: 429, headers: { 'retry-after': '2.128' }, body: graphError('TooManyRequests') },
    { status: 503, headers: { 'retry-after': '3' } },
    'hang up',
  ]
  const { graph, client } = await open(t, () => replies.shift() ?? 'hang up')
  const { quota, asked, settled } = scriptedQuota()
  for (let turn = 0; turn < 4; turn += 1) {
    await client.ask(sending({ ...openCall(), quota }), { url: '/me' }).catch(() => undefined)
  }
  t.same(
    asked,
    Array.from({ length: 4 }, () => ({ units: 1, requests: 1 })),
  )
  t.same(settled, [
    { units: 1 },
    { units: 1, refused: 'rate', retryAfterMs: 2128 },
    { units: 1, retryAfterMs: 3000 },
    { units: 1 },
  ])
  const far = scriptedQuota({ permit: 'wait', waitMs: 60_000 })
  const thrown = await failure(client.ask(sending({ ...openCall(), quota: far.quota }), { url: '/me' }))
  t.match(thrown, { kind: 'throttled', retryAfterMs: 60_000 })
  t.equal(graph.asked.length, 4, 'a throttled call is not sent')
})
