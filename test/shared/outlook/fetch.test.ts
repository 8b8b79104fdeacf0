import t, { type Test } from 'tap'
import { fetchMessages } from '../../../shared/outlook/fetch.ts'
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
  resource,
  startGraph,
} from './graph.ts'

const wanted = (...ids: string[]) => ids.map(id => ({ id }))
const idIn = (path: string) => decodeURIComponent(/\/messages\/([^?]*)\?/.exec(path)?.[1] ?? '')
const answering = (asked: Asked, partOf: (id: string) => Part | undefined): Reply =>
  isBatch(asked) ? batchAnswer(asked, url => partOf(idIn(url))) : (partOf(idIn(asked.path)) ?? 'hang up')
const found = (id: string): Part => ({ status: 200, body: resource(id) })

async function open(t: Test, partOf: (id: string) => Part | undefined) {
  const graph = await startGraph(asked => answering(asked, partOf))
  t.teardown(() => graph.close())
  const { client } = clientOf(graph)
  const options = {
    client,
    name: 'outlook:ana@example.com',
    user: '/me',
    batchSize: 20,
    now: Date.now,
    filter: { labels: [], skip: ['DRAFT'] },
    leftOutIn: (folder: string | undefined) => (folder === 'junk-id' ? 'in the folder junkemail' : undefined),
  }
  return { graph, fetch: (ids: readonly string[], call = openCall()) => fetchMessages(options, wanted(...ids), call) }
}

t.test('ids with odd characters are requested correctly, each once', async t => {
  const ids = ['AAMk/x+y==', 'a b?c&$select=d', 'é#%25', "o'data(1)", '..', 'AAMk-_']
  const { graph, fetch } = await open(t, found)
  const call = openCall()
  const answers = await fetch([...ids, ...ids], call)
  t.same([...answers.keys()], ids)
  for (const id of ids) t.match(answers.get(id), { outcome: 'ok', message: { id, subject: `About ${id}` } })
  t.same(call.metered, [['batch', ids.length]])
  const urls = graph.asked.flatMap(requestsIn).map(({ url }) => url)
  t.ok(
    urls.every(
      url => url.startsWith('/me/messages/') && url.split('$select=').length === 2 && url.split('?').length === 2,
    ),
  )
  t.match((await fetch(['AAMk/x+y=='], call)).get('AAMk/x+y=='), { outcome: 'ok' })
  t.same(call.metered.at(-1), ['single', 1])
  t.equal((await fetch([], call)).size, 0)
})

t.test('each message has its own outcome; throttled ones share the longest wait', async t => {
  const parts: Record<string, Part | undefined> = {
    fine: found('fine'),
    gone: { status: 404, body: graphError('ErrorItemNotFound') },
    page: { status: 404, body: '<html>' },
    junk: { status: 200, body: resource('junk', { parentFolderId: 'junk-id' }) },
    draft: { status: 200, body: resource('draft', { isDraft: 'true' }) },
    soon: { status: 429, headers: { 'Retry-After': '1.5' }, body: graphError('TooManyRequests') },
    late: { status: 429, headers: { 'retry-after': '30' }, body: graphError('ApplicationThrottled') },
    someday: { status: 429 },
    missing: undefined,
    old: { status: 401, body: graphError('InvalidAuthenticationToken') },
    depends: { status: 424 },
    broken: { status: 500, body: graphError('InternalServerError') },
    busy: { status: 503, headers: { 'Retry-After': '9' } },
    malformed: { status: 400, body: graphError('ErrorInvalidIdMalformed') },
    denied: { status: 403, body: graphError('ErrorAccessDenied') },
    cut: { status: 200, body: 'eyJpZCI6' },
    empty: { status: 200 },
    none: { status: 200, body: { value: [] } },
    mixed: found('fine'),
    moved: { status: 302, headers: { location: 'https://example.com' } },
  }
  const { graph, fetch } = await open(t, id => parts[id])
  const answers = await fetch(Object.keys(parts))
  const reported = Object.fromEntries(
    [...answers].map(([id, one]) => [id, one.outcome === 'failed' ? one.error.kind : one.outcome]),
  )
  t.same(reported, {
    fine: 'ok',
    gone: 'gone',
    page: 'unavailable',
    junk: 'filtered',
    draft: 'filtered',
    soon: 'throttled',
    late: 'throttled',
    someday: 'throttled',
    missing: 'unavailable',
    old: 'unavailable',
    depends: 'unavailable',
    broken: 'unavailable',
    busy: 'unavailable',
    malformed: 'rejected',
    denied: 'rejected',
    cut: 'unavailable',
    empty: 'unavailable',
    none: 'unparsable',
    mixed: 'unparsable',
    moved: 'unavailable',
  })
  for (const id of ['soon', 'late', 'someday']) t.match(answers.get(id), { retryAfterMs: 30_000 }, id)
  t.match(answers.get('junk'), { reason: 'in the folder junkemail' })
  t.match(answers.get('draft'), { reason: 'labelled DRAFT' })
  t.match(answers.get('busy'), { error: { retryAfterMs: 9000 } })
  t.equal(graph.asked.length, 1)
})

t.test('a batch refused after others is throttled, not failed', async t => {
  const graph = await startGraph(asked =>
    graph.asked.length > 1 ? { status: 429, headers: { 'retry-after': '3' } } : answering(asked, found),
  )
  t.teardown(() => graph.close())
  const ids = Array.from({ length: 25 }, (_, place) => `m${place}`)
  const { client } = clientOf(graph)
  const options = { client, name: 'o', user: '/me', batchSize: 20, now: Date.now, leftOutIn: () => undefined }
  const answers = [
    ...(await fetchMessages({ ...options, filter: { labels: [], skip: [] } }, wanted(...ids), openCall())).values(),
  ]
  t.ok(answers.slice(0, 20).every(({ outcome }) => outcome === 'ok'))
  t.same(
    answers.slice(20),
    Array.from({ length: 5 }, () => ({ outcome: 'throttled', retryAfterMs: 3000 })),
  )
})

t.test('the answer for a single message may concern the whole mailbox', async t => {
  const alone: [Part | undefined, object][] = [
    [
      { status: 429, headers: { 'retry-after': '2.5' } },
      { kind: 'throttled', retryAfterMs: 2500 },
    ],
    [{ status: 503 }, { kind: 'unavailable' }],
    [{ status: 200, body: '<html>' }, { kind: 'unavailable' }],
    [{ status: 404, body: graphError('MailboxNotEnabledForRESTAPI') }, { kind: 'unauthorized' }],
    [undefined, { kind: 'unavailable' }],
  ]
  for (const [part, error] of alone) {
    const { fetch } = await open(t, () => part)
    t.match(await failure(fetch(['m'])), error)
  }
  const own: [Part, object][] = [
    [{ status: 404, body: graphError('ErrorItemNotFound') }, { outcome: 'gone' }],
    [
      { status: 403, body: graphError('ErrorAccessDenied') },
      { outcome: 'failed', error: { kind: 'unauthorized', blames: 'access' } },
    ],
    [
      { status: 400, body: graphError('ErrorInvalidIdMalformed') },
      { outcome: 'failed', error: { kind: 'rejected' } },
    ],
    [
      { status: 200, body: { value: [] } },
      { outcome: 'failed', error: { kind: 'unparsable' } },
    ],
    [
      { status: 200, body: resource('m', { conversationId: null }) },
      { outcome: 'ok', message: { thread: 'm' } },
    ],
  ]
  for (const [part, outcome] of own) {
    const { fetch } = await open(t, () => part)
    t.match((await fetch(['m'])).get('m'), outcome)
  }
})
