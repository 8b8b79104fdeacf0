import t from 'tap'
import type { Mailbox } from '../../../shared/mailbox.ts'
import { apiError, batchAnswer, failure, openCall, type Reply, resource } from './google.ts'
import { openGmail } from './open.ts'

const profile = { body: { emailAddress: 'ana@example.com', historyId: '1' } }
const two = [
  { id: 'a', thread: 'a' },
  { id: 'b', thread: 'b' },
]
const batch = batchAnswer([
  { contentId: '<response-m0>', body: resource('a') },
  { contentId: '<response-m1>', body: resource('b') },
])
const everyCall: [string, (mailbox: Mailbox, call: ReturnType<typeof openCall>) => Promise<unknown>][] = [
  ['open', (mailbox, call) => mailbox.open(call)],
  ['list', (mailbox, call) => mailbox.changes('pinned:1', undefined, call)],
  ['history', (mailbox, call) => mailbox.changes('history:1', undefined, call)],
  ['single', (mailbox, call) => mailbox.fetch(two.slice(1), call)],
  ['batch', (mailbox, call) => mailbox.fetch(two, call)],
]

t.test('concurrent calls and batches share one token request', async t => {
  const { mailbox, google } = await openGmail(t, ({ path }) => (path.startsWith('/batch') ? batch : profile))
  await Promise.all([mailbox.open(openCall()), mailbox.fetch(two, openCall()), mailbox.open(openCall())])
  await mailbox.fetch(two, openCall())
  t.equal(google.tokens.length, 1)
  t.ok(google.asked.every(({ headers }) => headers.authorization === 'Bearer token-1'))
  const form = new URLSearchParams(google.tokens[0]?.body)
  t.same(Object.fromEntries(form), {
    refresh_token: 's3cret-refresh',
    client_id: 'client',
    client_secret: 's3cret-client',
    grant_type: 'refresh_token',
  })
})

t.test('a token without expiry is cached; a rate limit does not refresh it', async t => {
  let limited = true
  const { mailbox, google } = await openGmail(
    t,
    () => (limited ? { status: 403, body: apiError(403, 'rateLimitExceeded') } : profile),
    {
      token: () => ({ body: { access_token: 'eternal', token_type: 'Bearer' } }),
    },
  )
  t.equal((await failure(mailbox.open(openCall()))).kind, 'throttled')
  limited = false
  await mailbox.open(openCall())
  t.equal(google.tokens.length, 1)
})

t.test('the next call replaces a refused token', async t => {
  const { mailbox, google } = await openGmail(t, ({ headers, path }) => {
    if (headers.authorization === 'Bearer token-1') return { status: 401, body: apiError(401, 'authError') }
    return path.startsWith('/batch') ? batch : profile
  })
  t.equal((await failure(mailbox.fetch(two, openCall()))).kind, 'unauthorized')
  await mailbox.fetch(two, openCall())
  await mailbox.open(openCall())
  t.equal(google.tokens.length, 2)
})

t.test('nothing is retried', async t => {
  for (const reply of [{ status: 503, body: '' }, { status: 429, body: '' }, 'hang up'] as const) {
    const { mailbox, google } = await openGmail(t, () => reply)
    for (const [name, work] of everyCall) {
      google.asked.length = 0
      const call = openCall()
      const error = await failure(work(mailbox, call))
      t.equal(error.kind, reply !== 'hang up' && reply.status === 429 ? 'throttled' : 'unavailable', name)
      t.equal(google.asked.length, 1, name)
      t.equal(call.metered.length, 1, name)
    }
  }
})

t.test('a dead grant is unauthorized; other token failures keep their kind, unretried and unmetered', async t => {
  const cases: [Reply, string][] = [
    [
      { status: 400, body: { error: 'invalid_grant', error_description: 'Token has been expired or revoked.' } },
      'unauthorized',
    ],
    [{ status: 401, body: { error: 'invalid_client' } }, 'misconfigured'],
    [{ status: 429, body: { error: 'rate_limit_exceeded' } }, 'throttled'],
    [{ status: 503, body: 'later' }, 'unavailable'],
    [{ status: 200, body: '<html>Welcome</html>' }, 'unavailable'],
    ['hang up', 'unavailable'],
  ]
  for (const [reply, kind] of cases) {
    const { mailbox, google } = await openGmail(t, () => profile, { token: () => reply })
    const call = openCall()
    t.equal((await failure(mailbox.open(call))).kind, kind, JSON.stringify(reply))
    t.equal(google.tokens.length, 1)
    t.equal(google.asked.length, 0)
    t.same(call.metered, [])
  }
})

t.test('aborting ends every call at once', async t => {
  for (const [name, work] of everyCall) {
    const { mailbox, google } = await openGmail(t, (_, { asked }) => (asked.length === 1 ? profile : 'never'))
    await mailbox.open(openCall())
    const call = openCall()
    const began = Date.now()
    const failed = failure(work(mailbox, call))
    while (google.asked.length < 2) await new Promise(resolve => setTimeout(resolve, 1))
    call.abort()
    t.equal((await failed).kind, 'unavailable', name)
    t.ok(Date.now() - began < 1000, name)
    t.equal((await failure(work(mailbox, call))).kind, 'unavailable', `${name}, aborted before`)
    t.equal(google.asked.length, 2, 'nothing is sent afterwards')
  }
})

t.test('an abort during a token request ends the call and sends nothing later', async t => {
  const { mailbox, google } = await openGmail(t, () => profile, { token: () => 'never' })
  const call = openCall()
  const failed = failure(mailbox.open(call))
  call.abort()
  t.equal((await failed).kind, 'unavailable')
  t.equal(google.asked.length, 0)
})

t.test('a missing answer times out', async t => {
  const { mailbox } = await openGmail(t, () => 'never', { timeoutMs: 60 })
  for (const [name, work] of everyCall) {
    const error = await failure(work(mailbox, openCall()))
    t.equal(error.kind, 'unavailable', name)
    t.match(error.message, /within 60 ms/, name)
  }
})

t.test('no message contains a secret, a token or mail', async t => {
  const replies: Reply[] = [
    { status: 400, body: apiError(400, 'invalidArgument', 'token-1 private words') },
    { status: 403, body: 'private words token-1' },
    { body: 'private words token-1' },
    'hang up',
  ]
  for (const reply of replies) {
    const { mailbox } = await openGmail(t, () => reply)
    for (const [, work] of everyCall.slice(0, 3)) {
      const error = await failure(work(mailbox, openCall()))
      t.notMatch(`${error.stack} ${JSON.stringify(error)} ${String(error.cause)}`, /s3cret|token-1|private/)
    }
  }
})
