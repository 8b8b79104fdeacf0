import t from 'tap'
import type { Wanted } from '../../../shared/mailbox.ts'
import { type Asked, apiError, batchAnswer, failure, openCall, resource, type Written } from './google.ts'
import { openGmail } from './open.ts'

const isBatch = ({ path }: Asked) => path === '/batch/gmail/v1'
const inThread = (thread: string, ...ids: string[]): Wanted[] => ids.map(id => ({ id, thread }))
const message = (id: string, thread: string) => ({ ...resource(id), threadId: thread })
const thread = (id: string, ...ids: string[]) => ({ id, messages: ids.map(one => message(one, id)) })
const part = (index: number, body: unknown, status = '200 OK'): Written => ({
  contentId: `<response-m${index}>`,
  body,
  status,
})
const pathsIn = ({ body }: Asked) => [...body.matchAll(/GET \/gmail\/v1\/users\/me\/([^?]+)/g)].map(([, path]) => path)

t.test('two messages of a thread are one part for two units, with the rest', async t => {
  const { mailbox, google } = await openGmail(t, () =>
    batchAnswer([part(0, thread('T', 'a', 'x', 'b')), part(1, message('c', 'U'))]),
  )
  const call = openCall()
  const wanted = [...inThread('T', 'a', 'b'), ...inThread('U', 'c')]
  const answers = await mailbox.fetch(wanted, call)
  t.same([...answers.keys()], ['a', 'b', 'c', 'x'])
  for (const [id, answer] of answers) t.match(answer, { outcome: 'ok', message: { id, subject: `About ${id}` } })
  t.same(call.metered, [['batch', 60]])
  t.same(google.asked.flatMap(pathsIn), ['threads/T', 'messages/c'])
  const [, query] = /threads\/T\?(\S+)/.exec(google.asked[0]?.body ?? '') ?? []
  const fields = 'id,messages(id,threadId,labelIds,snippet,payload/headers,internalDate)'
  t.equal(new URLSearchParams(query).get('fields'), fields)
})

t.test('a single wanted thread is one request', async t => {
  const { mailbox, google } = await openGmail(t, () => ({ body: thread('T', 'a', 'b', 'c') }))
  const call = openCall()
  const answers = await mailbox.fetch(inThread('T', 'a', 'b'), call)
  t.same([...answers.keys()], ['a', 'b', 'c'])
  t.same(call.metered, [['thread', 40]])
  t.equal(google.asked[0]?.path, '/gmail/v1/users/me/threads/T')
})

t.test('a shared thread is fetched whole, unless that failed before', async t => {
  const { mailbox, google } = await openGmail(t, ({ path }) => ({
    body: path.includes('threads') ? thread('T', 'a', 'b') : message('a', 'T'),
  }))
  const [one] = inThread('T', 'a')
  if (!one) return
  t.same([...(await mailbox.fetch([{ ...one, ofThread: 2 }], openCall())).keys()], ['a', 'b'])
  t.same([...(await mailbox.fetch([{ ...one, ofThread: 1 }], openCall())).keys()], ['a'])
  t.same([...(await mailbox.fetch([{ ...one, ofThread: 2, alone: true }], openCall())).keys()], ['a'])
  t.same(
    google.asked.map(({ path }) => path.split('/').at(-2)),
    ['threads', 'messages', 'messages'],
  )
})

t.test('batches that share a thread read it once', async t => {
  const { mailbox, google } = await openGmail(t, asked =>
    isBatch(asked)
      ? batchAnswer(
          pathsIn(asked).map((path, index) =>
            part(index, path === 'threads/T' ? thread('T', 'a', 'b', 'c', 'd') : message(path?.slice(9) ?? '', 'U')),
          ),
        )
      : { body: message('f', 'V') },
  )
  const [first, second] = await Promise.all([
    mailbox.fetch([...inThread('T', 'a', 'b'), ...inThread('U', 'e')], openCall()),
    mailbox.fetch([...inThread('T', 'c', 'd'), ...inThread('V', 'f')], openCall()),
  ])
  t.same([...first.keys()], ['a', 'b', 'e', 'c', 'd'])
  t.same([...second.keys()], ['c', 'd', 'f'])
  t.ok([...first, ...second].every(([id, answer]) => answer.outcome === 'ok' && answer.message.id === id))
  t.same(google.asked.flatMap(pathsIn), ['threads/T', 'messages/e'])
})

t.test("a waiting fetch shares the thread's failure without a request", async t => {
  const { mailbox, google } = await openGmail(t, () => ({
    status: 429,
    headers: { 'retry-after': '3' },
    body: apiError(429, 'rateLimitExceeded'),
  }))
  const [first, second] = await Promise.all([
    failure(mailbox.fetch(inThread('T', 'a', 'b'), openCall())),
    mailbox.fetch(inThread('T', 'c', 'd'), openCall()),
  ])
  t.match(first, { kind: 'throttled', retryAfterMs: 3000 })
  t.match(Object.fromEntries(second), { c: { outcome: 'throttled', retryAfterMs: 3000 }, d: { outcome: 'throttled' } })
  t.equal(google.asked.length, 1)
})

t.test('messages missing from a thread are requested in one more call', async t => {
  const cases: [what: string, written: Written][] = [
    ['it lacks a message', part(0, thread('T', 'a', 'c'))],
    ['it is gone', part(0, apiError(404, 'notFound'), '404 Not Found')],
    ['it is another', part(0, thread('S', 'a', 'b', 'c'))],
    ['it is too large', part(0, apiError(413, 'uploadTooLarge'), '413 Too Large')],
    ['it cannot be read', part(0, '{"id":"T","messages":[{"id":"a"')],
    ['a message appears in it twice', part(0, thread('T', 'a', 'b', 'b', 'c'))],
    [
      'a message in it is of another thread',
      part(0, { id: 'T', messages: [message('a', 'T'), message('b', 'S'), message('c', 'T')] }),
    ],
  ]
  for (const [what, written] of cases) {
    let calls = 0
    const { mailbox, google } = await openGmail(t, asked => {
      calls += 1
      if (calls === 1) return batchAnswer([written, part(1, message('z', 'U'))])
      const answer = (id = '') =>
        id === 'b' ? { status: '404 Not Found', body: apiError(404, 'notFound') } : { body: message(id, 'T') }
      if (isBatch(asked))
        return batchAnswer(pathsIn(asked).map((path, index) => ({ ...part(index, ''), ...answer(path?.slice(9)) })))
      const { status, body } = { status: '200', ...answer(asked.path.split('/').at(-1)) }
      return { status: Number.parseInt(status, 10), body }
    })
    const answers = await mailbox.fetch([...inThread('T', 'a', 'b', 'c'), ...inThread('U', 'z')], openCall())
    t.match(
      Object.fromEntries(answers),
      {
        a: { outcome: 'ok', message: { id: 'a' } },
        b: { outcome: 'gone' },
        c: { outcome: 'ok', message: { id: 'c' } },
        z: { outcome: 'ok' },
      },
      what,
    )
    t.equal(answers.size, 4, 'an inconsistent thread brings nothing along')
    t.equal(google.asked.length, 2)
  }
})

t.test('a throttled or unavailable thread is retried as a thread', async t => {
  for (const [status, reason, outcome] of [
    ['429 Busy', 'rateLimitExceeded', { outcome: 'throttled' }],
    ['503 Away', 'backendError', { outcome: 'failed', error: { kind: 'unavailable' } }],
  ] as const) {
    const body = apiError(Number.parseInt(status, 10), reason)
    const { mailbox, google } = await openGmail(t, () =>
      batchAnswer([part(0, body, status), part(1, message('z', 'U'))]),
    )
    const answers = await mailbox.fetch([...inThread('T', 'a', 'b'), ...inThread('U', 'z')], openCall())
    t.match(Object.fromEntries(answers), { a: outcome, b: outcome, z: { outcome: 'ok' } })
    t.equal(google.asked.length, 1)
  }
})

t.test('an unreadable answer is retried request by request, and counted', async t => {
  const { mailbox } = await openGmail(t, asked => {
    if (isBatch(asked)) return { body: '<html>' }
    return { body: asked.path.includes('threads') ? thread('T', 'a', 'b') : message('z', 'U') }
  })
  const call = openCall()
  const answers = await mailbox.fetch([...inThread('T', 'a', 'b'), ...inThread('U', 'z')], call)
  t.ok([...answers.values()].every(({ outcome }) => outcome === 'ok'))
  t.same(call.metered, [
    ['batch', 60],
    ['thread', 40],
    ['single', 20],
  ])
})
