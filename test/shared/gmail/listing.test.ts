import t from 'tap'
import type { Changes, Mailbox } from '../../../shared/mailbox.ts'
import { apiError, failure, openCall } from './google.ts'
import { openGmail } from './open.ts'

const numbered = (count: number, from = 0) =>
  Array.from({ length: count }, (_, index) => ({ id: `m${from + index}`, threadId: `t${from + index}` }))

async function pagesOf(mailbox: Mailbox, since: string): Promise<Changes[]> {
  const pages = [await mailbox.changes(since, undefined, openCall())]
  for (let last = pages.at(-1); last?.next; last = pages.at(-1))
    pages.push(await mailbox.changes(since, last.next, openCall()))
  return pages
}

t.test('opening pins the history before any listing', async t => {
  const { mailbox, google } = await openGmail(t, () => ({
    body: { emailAddress: 'Ana@Example.com', historyId: '123' },
  }))
  const call = openCall()
  t.same(await mailbox.open(call), { address: 'Ana@Example.com', cursor: 'pinned:123' })
  t.same(call.metered, [['profile', 1]])
  t.same(
    google.asked.map(({ method, path, headers }) => [method, path, headers.authorization]),
    [['GET', '/gmail/v1/users/me/profile', 'Bearer token-1']],
  )
})

t.test('exactly the newest N are requested', async t => {
  // Google returns 300 at a time for any request.
  const { mailbox, google } = await openGmail(
    t,
    ({ query }) => {
      const from = Number(query.get('pageToken') ?? 0)
      const count = Math.min(300, Number(query.get('maxResults')))
      return { body: { messages: numbered(count, from), nextPageToken: `${from + count}` } }
    },
    { initialSync: { kind: 'newest', count: 700 } },
  )
  const pages = await pagesOf(mailbox, 'pinned:9')
  t.same(
    google.asked.map(({ query }) => [query.get('maxResults'), query.get('pageToken'), query.get('q')]),
    [
      ['500', null, '-in:drafts'],
      ['400', '300', '-in:drafts'],
      ['100', '600', '-in:drafts'],
    ],
  )
  t.same(
    pages.flatMap(page => page.ids).map(({ id, thread }) => [id, thread]),
    numbered(700).map(({ id, threadId }) => [id, threadId]),
  )
  t.same(
    pages.map(page => page.cursor),
    [undefined, undefined, 'history:9'],
  )
  t.equal(google.asked[0]?.query.get('fields'), 'messages(id,threadId),nextPageToken')
  t.equal(google.asked[0]?.query.has('includeSpamTrash'), false)
})

t.test('a small mailbox ends early; fifty messages cost one listing of five units', async t => {
  const { mailbox, google } = await openGmail(t, () => ({ body: { messages: numbered(50), resultSizeEstimate: 50 } }), {
    initialSync: { kind: 'newest', count: 50 },
  })
  const call = openCall()
  const page = await mailbox.changes('pinned:9', undefined, call)
  t.equal(page.ids.length, 50)
  t.equal(page.cursor, 'history:9')
  t.same(call.metered, [['list', 5]])
  t.equal(google.asked[0]?.query.get('maxResults'), '50')
})

t.test('an empty mailbox lists nothing', async t => {
  const { mailbox } = await openGmail(t, () => ({ body: { resultSizeEstimate: 0 } }))
  t.same(await pagesOf(mailbox, 'pinned:9'), [{ ids: [], gone: [], labels: [], cursor: 'history:9' }])
})

t.test('all mail is listed 500 a page, each id once a page, past empty pages', async t => {
  const replies = [
    { messages: [...numbered(3), ...numbered(1)], nextPageToken: 'b' },
    { nextPageToken: 'c' },
    { messages: [{ id: 'm9' }] },
  ]
  const { mailbox, google } = await openGmail(t, (_, { asked }) => ({ body: replies[asked.length - 1] }), {
    initialSync: { kind: 'all' },
  })
  const pages = await pagesOf(mailbox, 'pinned:9')
  t.same(
    pages.map(page => page.ids.map(({ id }) => id)),
    [['m0', 'm1', 'm2'], [], ['m9']],
  )
  t.same(
    google.asked.map(({ query }) => query.get('maxResults')),
    ['500', '500', '500'],
  )
})

t.test('the last days keep their starting moment', async t => {
  let now = 1_790_000_000_500
  const { mailbox, google } = await openGmail(
    t,
    ({ query }) => ({ body: { messages: numbered(1), nextPageToken: query.has('pageToken') ? '' : 'b' } }),
    { initialSync: { kind: 'days', days: 30 }, now: () => now++ * 2 - 1_790_000_000_500 },
  )
  await pagesOf(mailbox, 'pinned:9')
  const after = `after:${1_790_000_000 - 30 * 86_400} -in:drafts`
  t.same(
    google.asked.map(({ query }) => query.get('q')),
    [after, after],
  )
})

t.test('the history reports added, gone and relabelled mail', async t => {
  const message = (id: string) => ({ message: { id, threadId: `t${id}`, labelIds: ['INBOX'] } })
  const label = (id: string, ...labelIds: string[]) => ({ ...message(id), labelIds })
  const { mailbox, google } = await openGmail(t, () => ({
    body: {
      historyId: '200',
      history: [
        { id: '101', messages: [{ id: 'x', threadId: 'tx' }] },
        { id: '102', messagesAdded: [message('b'), message('a')] },
        { id: '103', messagesAdded: [message('b'), message('c')], labelsAdded: [label('a', 'STARRED')] },
        { id: '104', messagesDeleted: [message('c'), message('old')], labelsRemoved: [label('old', 'INBOX')] },
        { id: '105', labelsRemoved: [label('kept', 'UNREAD', 'IMPORTANT')] },
        { id: '106', labelsAdded: [label('kept', 'UNREAD', 'STARRED')] },
      ],
    },
  }))
  const call = openCall()
  t.strictSame(await mailbox.changes('history:100', undefined, call), {
    ids: [
      { id: 'x', thread: 'tx', verify: true },
      { id: 'b', thread: 'tb' },
      { id: 'a', thread: 'ta' },
    ],
    gone: [
      { id: 'c', thread: 'tc' },
      { id: 'old', thread: 'told' },
    ],
    labels: [
      { id: 'a', thread: 'ta', added: ['STARRED'], removed: [] },
      { id: 'kept', thread: 'tkept', added: ['UNREAD', 'STARRED'], removed: ['IMPORTANT'] },
    ],
    cursor: 'history:200',
    upTo: '200',
  })
  t.same(call.metered, [['history', 2]])
  const query = google.asked[0]?.query
  t.equal(google.asked[0]?.path, '/gmail/v1/users/me/history')
  t.equal(query?.get('startHistoryId'), '100')
  t.same(query?.getAll('historyTypes'), ['messageAdded', 'messageDeleted', 'labelAdded', 'labelRemoved'])
  t.equal(query?.get('maxResults'), '100')
})

t.test('history continues through empty pages and keeps the last history id', async t => {
  const replies = [
    { history: [{ messagesAdded: [{ message: { id: 'a', threadId: 'a' } }] }], nextPageToken: 'b', historyId: '300' },
    { nextPageToken: 'c', historyId: '300' },
    { historyId: '18446744073709551615' },
  ]
  const { mailbox, google } = await openGmail(t, (_, { asked }) => ({ body: replies[asked.length - 1] }))
  const pages = await pagesOf(mailbox, 'history:100')
  t.same(
    pages.map(page => page.cursor),
    [undefined, undefined, 'history:18446744073709551615'],
  )
  t.same(
    google.asked.map(({ query }) => [query.get('startHistoryId'), query.get('pageToken')]),
    [
      ['100', null],
      ['100', 'b'],
      ['100', 'c'],
    ],
  )
})

t.test('the cursor never goes backwards, and compares numbers', async t => {
  for (const [answered, kept] of [
    ['99', '100'],
    ['100', '100'],
    [undefined, '100'],
    [101, '101'],
    ['1000', '1000'],
  ]) {
    const { mailbox } = await openGmail(t, () => ({ body: { historyId: answered } }))
    t.equal((await mailbox.changes('history:100', undefined, openCall())).cursor, `history:${kept}`)
  }
})

t.test("an old history id asks for a reset; a proxy's 404 does not", async t => {
  const { mailbox } = await openGmail(t, () => ({ status: 404, body: apiError(404, 'notFound') }))
  t.same(await mailbox.changes('history:1', undefined, openCall()), { ids: [], gone: [], labels: [], reset: true })
  t.match(await failure(mailbox.changes('pinned:1', undefined, openCall())), { kind: 'rejected' })
  const other = await openGmail(t, () => ({ status: 404, body: '<html>nginx</html>' }))
  t.match(await failure(other.mailbox.changes('history:1', undefined, openCall())), { kind: 'unavailable' })
})

t.test('unreadable answers are unparsable', async t => {
  for (const body of ['<html></html>', '{"messages":[', { messages: [{}] }, { messages: 'none' }, []]) {
    const { mailbox } = await openGmail(t, () => ({ body }))
    t.match(await failure(mailbox.changes('pinned:1', undefined, openCall())), { kind: 'unparsable' })
    t.match(await failure(mailbox.open(openCall())), { kind: 'unparsable' })
  }
  const { mailbox } = await openGmail(t, () => ({ body: { historyId: 'soon' } }))
  t.match(await failure(mailbox.changes('history:1', undefined, openCall())), { kind: 'unparsable' })
})

t.test('a page belongs to its cursor, and both to Gmail', async t => {
  const { mailbox, google } = await openGmail(t, () => ({ body: {} }))
  t.match(await failure(mailbox.changes('delta', undefined, openCall())), { kind: 'unparsable' })
  t.match(await failure(mailbox.changes('pinned:1', 'history::x', openCall())), { kind: 'unparsable' })
  t.match(await failure(mailbox.changes('history:1', 'all::x', openCall())), { kind: 'unparsable' })
  t.match(await failure(mailbox.changes('history:1', 'x', openCall())), { kind: 'unparsable' })
  t.equal(google.asked.length, 0)
})
