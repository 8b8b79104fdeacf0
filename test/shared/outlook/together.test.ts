import t, { type Test } from 'tap'
import { askTogether } from '../../../shared/outlook/together.ts'
import { failure, openCall } from '../gmail/google.ts'
import {
  type Asked,
  batchAnswer,
  clientOf,
  graphError,
  isBatch,
  type Part,
  type Reply,
  requestsIn,
  scriptedQuota,
  startGraph,
} from './graph.ts'

const PREFER = 'IdType="ImmutableId", odata.maxpagesize=50'
const urlsOf = (count: number) => Array.from({ length: count }, (_, place) => `/me/messages/m${place}`)
const named = (url: string): Part => ({ status: 200, body: { of: url } })
const served = (asked: Asked): Reply =>
  isBatch(asked) ? batchAnswer(asked, named) : { body: { of: asked.path.slice('/v1.0'.length) } }

async function open(t: Test, script: Parameters<typeof startGraph>[0]) {
  const graph = await startGraph(script)
  t.teardown(() => graph.close())
  const { client } = clientOf(graph)
  return {
    graph,
    ask: (
      urls: readonly string[],
      { call = openCall() as Parameters<typeof askTogether>[2]['call'], batchSize = 20 } = {},
    ) =>
      askTogether({ client, batchSize, now: Date.now }, urls, { doing: 'asking', call, kind: 'batch', prefer: PREFER }),
  }
}

t.test('answers keep the request order, in successive batches of at most twenty', async t => {
  const { graph, ask } = await open(t, served)
  const call = openCall()
  const answers = await ask(urlsOf(43), { call, batchSize: 50 })
  t.same(
    answers.map(answer => answer?.body),
    urlsOf(43).map(of => ({ of })),
  )
  t.same(call.metered, [
    ['batch', 20],
    ['batch', 20],
    ['batch', 3],
  ])
  t.same(
    graph.asked.map(asked => requestsIn(asked).length),
    [20, 20, 3],
  )
  for (const { id, method, headers } of graph.asked.flatMap(requestsIn)) {
    t.match({ id, method, headers }, { id: /^\d+$/, method: 'GET', headers: { Prefer: PREFER } })
  }
  t.same(await ask([]), [])
})

t.test('a single request goes alone, and so do all without batches', async t => {
  const { graph, ask } = await open(t, served)
  const call = openCall()
  await ask(urlsOf(1))
  t.equal((await ask(urlsOf(3), { call, batchSize: 1 })).length, 3)
  t.same(
    graph.asked.map(({ method, headers }) => [method, headers.prefer]),
    Array.from({ length: 4 }, () => ['GET', PREFER]),
  )
  t.equal(call.metered.length, 3)
})

t.test('a link of this version joins the batch; any other goes alone in turn', async t => {
  const { graph, ask } = await open(t, asked => (isBatch(asked) ? served(asked) : { body: { of: asked.path } }))
  const links = [`${graph.rootUrl}/me/a?$skiptoken=x%2F`, '/me/b', `${graph.url}/beta/c`, `${graph.rootUrl}/d`, '/e']
  t.same(
    (await ask(links)).map(answer => answer?.body),
    ['/me/a?$skiptoken=x%2F', '/me/b', '/beta/c', '/d', '/e'].map(of => ({ of })),
  )
  t.same(
    graph.asked.map(({ path }) => path),
    ['/v1.0/$batch', '/beta/c', '/v1.0/$batch'],
  )
  t.match(await failure(ask(['https://example.com/v1.0/me', '/me'])), { kind: 'unparsable' })
})

t.test('parts have their own outcomes; missing parts and 401s have none', async t => {
  const parts: Part[] = [
    { status: 200, body: { fine: true } },
    { status: 401, body: graphError('InvalidAuthenticationToken') },
    { status: 429, headers: { 'retry-after': '7' }, body: graphError('TooManyRequests') },
    { status: 424, body: graphError('FailedDependency') },
    { status: 503, headers: { 'Retry-After': '2.5' }, body: '' },
    { status: 302, headers: { location: 'https://example.com/' } },
  ]
  const { graph, ask } = await open(t, asked => batchAnswer(asked, (_, place) => parts[place]))
  const { quota, settled } = scriptedQuota()
  const answers = await ask(urlsOf(7), { call: { ...openCall(), quota } })
  t.same(
    answers.map(answer => answer && [answer.status, answer.retryAfter]),
    [[200, undefined], undefined, [429, '7'], [424, undefined], [503, '2.5'], [302, undefined], undefined],
  )
  t.same(settled, [{ units: 7, refused: 'rate', retryAfterMs: 7000 }], 'the longest wait applies to the mailbox')
  t.equal(graph.asked.length, 1, 'nothing is retried')
})

t.test('an error of the whole batch is thrown and settled', async t => {
  const whole: [Reply, object, object][] = [
    [
      { status: 429, headers: { 'retry-after': '2.128' }, body: 'busy' },
      { kind: 'throttled', retryAfterMs: 2128 },
      { units: 3, refused: 'rate', retryAfterMs: 2128 },
    ],
    [
      { status: 503, headers: { 'retry-after': '4' }, body: '<html>' },
      { kind: 'unavailable', retryAfterMs: 4000 },
      { units: 3, retryAfterMs: 4000 },
    ],
    [{ status: 403, body: graphError('ErrorAccessDenied') }, { kind: 'unauthorized' }, { units: 3 }],
    [{ status: 200, body: '{"responses":[{"id":"0","status":200,"bo' }, { kind: 'unavailable' }, { units: 3 }],
    [{ status: 200, body: '<html>sign in</html>' }, { kind: 'unavailable' }, { units: 3 }],
    [{ status: 200, body: { value: [] } }, { kind: 'unparsable' }, { units: 3 }],
    ['hang up', { kind: 'unavailable' }, { units: 3 }],
  ]
  for (const [reply, error, spent] of whole) {
    const { graph, ask } = await open(t, () => reply)
    const { quota, settled } = scriptedQuota()
    t.match(await failure(ask(urlsOf(3), { call: { ...openCall(), quota } })), error)
    t.same(settled, [spent])
    t.equal(graph.asked.length, 1)
  }
})

t.test('requests after an answered batch are refused individually', async t => {
  for (const [reply, later] of [
    [
      { status: 429, headers: { 'retry-after': '1.5' } },
      { status: 429, retryAfter: '1.5' },
    ],
    [{ status: 429 }, { status: 429 }],
    [{ status: 503 }, undefined],
    ['hang up', undefined],
  ] as [Reply, object | undefined][]) {
    const { graph, ask } = await open(t, asked => (graph.asked.length > 1 ? reply : served(asked)))
    const answers = await ask(urlsOf(5), { batchSize: 3 })
    t.same(
      answers.slice(0, 3).map(answer => answer?.status),
      [200, 200, 200],
    )
    t.match(answers.slice(3), [later, later])
  }
  const { graph, ask } = await open(t, served)
  const { quota } = scriptedQuota('go', { permit: 'wait', waitMs: 9000 })
  const answers = await ask(urlsOf(5), { batchSize: 3, call: { ...openCall(), quota } })
  t.match(answers[4], { status: 429, retryAfter: '9' }, 'a distant permit is not a failure')
  t.equal(graph.asked.length, 1)
})

t.test('a batch acquires permits for all, four at a time, and may be split', async t => {
  const { graph, ask } = await open(t, served)
  const { quota, asked, settled } = scriptedQuota('go', { permit: 'fewer', most: 2 }, 'go', {
    permit: 'fewer',
    most: 1,
  })
  const answers = await ask(urlsOf(26), { call: { ...openCall(), quota } })
  t.same(
    answers.map(answer => answer?.body),
    urlsOf(26).map(of => ({ of })),
  )
  t.same(
    graph.asked.map(one => (isBatch(one) ? requestsIn(one).length : 1)),
    [20, 2, 1, 3],
  )
  t.same(asked, [
    { units: 20, requests: 4 },
    { units: 6, requests: 4 },
    { units: 2, requests: 2 },
    { units: 4, requests: 4 },
    { units: 1, requests: 1 },
    { units: 3, requests: 3 },
  ])
  t.same(
    settled.map(({ units }) => units),
    [20, 2, 1, 3],
  )
})

t.test('an abort between two batches is reported', async t => {
  const call = openCall()
  const { graph, ask } = await open(t, asked => {
    if (graph.asked.length < 2) return served(asked)
    call.abort()
    return 'never'
  })
  t.match(await failure(ask(urlsOf(5), { call, batchSize: 3 })), { kind: 'unavailable', message: /aborted/ })
})
