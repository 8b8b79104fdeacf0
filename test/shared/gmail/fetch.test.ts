import t from 'tap'
import { type Asked, apiError, batchAnswer, failure, openCall, resource, type Written } from './google.ts'
import { openGmail } from './open.ts'

const wanted = (...ids: string[]) => ids.map(id => ({ id, thread: `t-${id}` }))
const idOf = ({ path }: Asked) => path.split('/').at(-1) ?? ''
const single = (asked: Asked) => ({ body: resource(idOf(asked)) })
const isBatch = ({ path }: Asked) => path === '/batch/gmail/v1'
const ok = (index: number, id: string): Written => ({ contentId: `<response-m${index}>`, body: resource(id) })

t.test('one message is one get with the used fields and headers', async t => {
  const { mailbox, google } = await openGmail(t, single)
  const call = openCall()
  const answers = await mailbox.fetch(wanted('a'), call)
  t.same([...answers.keys()], ['a'])
  t.match(answers.get('a'), { outcome: 'ok', message: { id: 'a', thread: 't-a', subject: 'About a' } })
  t.same(call.metered, [['single', 20]])
  const [asked] = google.asked
  t.equal(asked?.path, '/gmail/v1/users/me/messages/a')
  t.equal(asked?.query.get('format'), 'metadata')
  t.equal(asked?.query.get('fields'), 'id,threadId,labelIds,snippet,payload/headers,internalDate')
  t.same(asked?.query.getAll('metadataHeaders'), [
    'From',
    'To',
    'Cc',
    'Subject',
    'Date',
    'Message-ID',
    'In-Reply-To',
    'References',
    'Auto-Submitted',
    'X-Autoreply',
    'X-Autorespond',
    'Return-Path',
    'List-Post',
    'Mailing-List',
    'X-Mailing-List',
    'Precedence',
    'List-Id',
    'List-Unsubscribe',
    'Feedback-ID',
    'X-MS-Exchange-Inbox-Rules-Loop',
    'Content-Language',
  ])
})

t.test('several messages are one batch in any order of parts', async t => {
  const { mailbox, google } = await openGmail(t, () => batchAnswer([ok(2, 'c'), ok(0, 'a'), ok(1, 'b')]))
  const call = openCall()
  const answers = await mailbox.fetch([...wanted('a', 'b', 'c'), ...wanted('a')], call)
  t.same([...answers.keys()], ['a', 'b', 'c'])
  for (const id of ['a', 'b', 'c']) t.match(answers.get(id), { outcome: 'ok', message: { id, subject: `About ${id}` } })
  t.same(call.metered, [['batch', 60]])
  t.equal(google.asked.length, 1)
  const [asked] = google.asked
  t.equal(asked?.headers.authorization, 'Bearer token-1')
  t.match(asked?.headers['content-type'], /^multipart\/mixed; boundary=/)
  const paths = [...(asked?.body ?? '').matchAll(/Content-ID: <m(\d)>\r\n\r\nGET (\S+)\r\n\r\n/g)].map(
    ([, index, path]) => [index, path?.split('?')[0], new URLSearchParams(path?.split('?')[1]).get('fields')],
  )
  const fields = 'id,threadId,labelIds,snippet,payload/headers,internalDate'
  t.same(paths, [
    ['0', '/gmail/v1/users/me/messages/a', fields],
    ['1', '/gmail/v1/users/me/messages/b', fields],
    ['2', '/gmail/v1/users/me/messages/c', fields],
  ])
})

t.test('under the legacy quota a message costs five units', async t => {
  const { mailbox } = await openGmail(
    t,
    asked => (isBatch(asked) ? batchAnswer([ok(0, 'a'), ok(1, 'b')]) : single(asked)),
    {
      quota: 'legacy',
    },
  )
  const call = openCall()
  await mailbox.fetch(wanted('a', 'b'), call)
  await mailbox.fetch(wanted('a'), call)
  t.same(call.metered, [
    ['batch', 10],
    ['single', 5],
  ])
})

t.test('id and threadId are always requested', async t => {
  for (const [fields, asked] of [
    ['snippet', 'id,threadId,snippet'],
    ['id,payload(headers,threadId)', 'threadId,id,payload(headers,threadId)'],
    ['*', '*'],
  ]) {
    const { mailbox, google } = await openGmail(t, single, { fields: fields ?? '' })
    await mailbox.fetch(wanted('a'), openCall())
    t.equal(google.asked[0]?.query.get('fields'), asked)
  }
})

t.test('each part has its own outcome', async t => {
  const parts: Written[] = [
    ok(0, 'fine'),
    { contentId: '<response-m1>', status: '404 Not Found', body: apiError(404, 'notFound') },
    {
      contentId: '<response-m2>',
      status: '429 Too Many Requests',
      body: apiError(429, 'rateLimitExceeded'),
      headers: ['Retry-After: 1.5'],
    },
    { contentId: '<response-m3>', status: '403 Forbidden', body: apiError(403, 'userRateLimitExceeded') },
    { contentId: '<response-m4>', status: '500 Internal', body: apiError(500, 'backendError') },
    { contentId: '<response-m5>', status: '401 Unauthorized' },
    { contentId: '<response-m6>', status: '400 Bad Request', body: apiError(400, 'invalidArgument') },
    { contentId: '<response-m7>', body: 'Hello' },
    { contentId: '<response-m8>', status: '304 Not Modified' },
    ok(9, 'another'),
    { contentId: '<response-m10>', body: {} },
  ]
  const ids = [
    'fine',
    'gone',
    'busy',
    'limited',
    'broken',
    'locked',
    'refused',
    'text',
    'unmodified',
    'swapped',
    'empty',
  ]
  const { mailbox, google } = await openGmail(t, () => batchAnswer(parts))
  const answers = await mailbox.fetch(wanted(...ids), openCall())
  t.same([...answers.keys()], ids)
  t.match(Object.fromEntries(answers), {
    fine: { outcome: 'ok', message: { id: 'fine' } },
    gone: { outcome: 'gone' },
    busy: { outcome: 'throttled', retryAfterMs: 1500 },
    limited: { outcome: 'throttled' },
    broken: { outcome: 'failed', error: { kind: 'unavailable' } },
    locked: { outcome: 'failed', error: { kind: 'unauthorized' } },
    refused: { outcome: 'failed', error: { kind: 'rejected' } },
    text: { outcome: 'failed', error: { kind: 'unparsable' } },
    unmodified: { outcome: 'failed', error: { kind: 'unparsable' } },
    swapped: { outcome: 'failed', error: { kind: 'unparsable' } },
    empty: { outcome: 'failed', error: { kind: 'unparsable' } },
  })
  t.equal(google.asked.length, 1)
})

t.test('a missing part fails only its id', async t => {
  const { mailbox, google } = await openGmail(t, () => batchAnswer([ok(0, 'a'), ok(2, 'c')]))
  const answers = await mailbox.fetch(wanted('a', 'b', 'c'), openCall())
  t.match(Object.fromEntries(answers), {
    a: { outcome: 'ok' },
    b: { outcome: 'failed', error: { kind: 'unavailable' } },
    c: { outcome: 'ok' },
  })
  t.equal(google.asked.length, 1)
})

t.test('without usable ids the order decides, but not for final outcomes', async t => {
  const gone = { status: '404 Not Found', body: apiError(404, 'notFound') }
  const parts: Written[] = [
    { contentId: 'response-', body: resource('a') },
    { contentId: 'response-', ...gone },
    { contentId: 'response-', status: '429 Busy', body: apiError(429, 'rateLimitExceeded') },
  ]
  const { mailbox, google } = await openGmail(t, asked => {
    if (isBatch(asked)) return batchAnswer(parts)
    return { status: 404, body: apiError(404, 'notFound') }
  })
  const answers = await mailbox.fetch(wanted('a', 'b', 'c'), openCall())
  t.match(Object.fromEntries(answers), {
    a: { outcome: 'ok', message: { id: 'a' } },
    b: { outcome: 'gone' },
    c: { outcome: 'throttled' },
  })
  t.same(google.asked.map(idOf), ['v1', 'b'])
})

t.test('a reordered answer without ids is corrected message by message', async t => {
  const parts = ['b', 'c', 'a'].map(id => ({ contentId: 'response-', body: resource(id) }))
  const { mailbox } = await openGmail(t, asked => (isBatch(asked) ? batchAnswer(parts) : single(asked)))
  const answers = await mailbox.fetch(wanted('a', 'b', 'c'), openCall())
  for (const id of ['a', 'b', 'c']) t.match(answers.get(id), { outcome: 'ok', message: { id, subject: `About ${id}` } })
})

t.test('an unreadable answer is retried message by message, five at a time', async t => {
  const ids = Array.from({ length: 12 }, (_, index) => `m${index}`)
  const { mailbox, google } = await openGmail(t, asked =>
    isBatch(asked) ? { body: '<html>Welcome</html>' } : single(asked),
  )
  const call = openCall()
  const answers = await mailbox.fetch(wanted(...ids), call)
  t.same([...answers.keys()], ids)
  t.ok([...answers].every(([id, answer]) => answer.outcome === 'ok' && answer.message.id === id))
  t.same(call.metered, [['batch', 240], ...ids.map(() => ['single', 20])])
  t.equal(google.asked.length, 13)
})

t.test('an error of the mailbox ends the remaining single gets', async t => {
  const ids = Array.from({ length: 30 }, (_, index) => `m${index}`)
  const { mailbox, google } = await openGmail(t, asked =>
    isBatch(asked)
      ? { body: '' }
      : { status: 429, headers: { 'retry-after': '2' }, body: apiError(429, 'rateLimitExceeded') },
  )
  const answers = await mailbox.fetch(wanted(...ids), openCall())
  t.ok([...answers.values()].every(answer => answer.outcome === 'throttled' && answer.retryAfterMs === 2000))
  t.ok(google.asked.length <= 6)
})

t.test('the outer status comes first', async t => {
  const cases: [number, unknown, object][] = [
    [401, apiError(401, 'authError'), { kind: 'unauthorized' }],
    [429, 'Slow down', { kind: 'throttled', retryAfterMs: 2500 }],
    [403, apiError(403, 'userRateLimitExceeded'), { kind: 'throttled' }],
    [503, '<html>Try later</html>', { kind: 'unavailable', retryAfterMs: 2500 }],
    [400, apiError(400, 'badRequest'), { kind: 'rejected' }],
    [403, apiError(403, 'domainPolicy'), { kind: 'unauthorized' }],
    [429, batchAnswer([ok(0, 'a'), ok(1, 'b')]).body, { kind: 'throttled' }],
  ]
  for (const [status, body, error] of cases) {
    const { mailbox, google } = await openGmail(t, () => ({ status, body, headers: { 'retry-after': '2.5' } }))
    t.match(await failure(mailbox.fetch(wanted('a', 'b'), openCall())), error, `a batch: ${status}`)
    t.equal(google.asked.length, 1, 'it is not sent again')
  }
})

t.test('a single get throws mailbox errors and returns message outcomes', async t => {
  const answer = async (status: number, body: unknown) => {
    const { mailbox, google } = await openGmail(t, () => ({ status, body }))
    const answers = await mailbox.fetch(wanted('a'), openCall()).finally(() => t.equal(google.asked.length, 1))
    return answers.get('a')
  }
  const body = apiError(429, 'rateLimitExceeded', 'Retry after 3 s.')
  t.match(await failure(answer(429, body)), { kind: 'throttled', retryAfterMs: 3000 })
  t.match(await failure(answer(500, apiError(500, 'backendError'))), { kind: 'unavailable' })
  t.match(await failure(answer(401, apiError(401, 'authError'))), { kind: 'unauthorized' })
  t.match(await failure(answer(403, apiError(403, 'userRateLimitExceeded'))), { kind: 'throttled' })
  t.match(await answer(404, apiError(404, 'notFound')), { outcome: 'gone' })
  t.match(await answer(400, apiError(400, 'invalidArgument')), { outcome: 'failed', error: { kind: 'rejected' } })
  t.match(await answer(200, resource('b')), { outcome: 'failed', error: { kind: 'unparsable' } })
  t.match(await answer(200, 'Hello'), { outcome: 'failed', error: { kind: 'unparsable' } })
})

t.test('wanting nothing costs nothing', async t => {
  const { mailbox, google } = await openGmail(t, single)
  t.equal((await mailbox.fetch([], openCall())).size, 0)
  t.equal(google.asked.length + google.tokens.length, 0)
})
