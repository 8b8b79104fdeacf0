import t, { type Test } from 'tap'
import type { LabelFilter } from '../../../shared/provider/filter.ts'
import { apiError, failure, openCall } from './google.ts'
import { openGmail } from './open.ts'

const JUNK = ['SPAM', 'TRASH', 'DRAFT']
const LABELS = [
  { id: 'INBOX', name: 'INBOX' },
  { id: 'Label_7', name: 'Clients/Very Big' },
]

async function open(t: Test, filter: LabelFilter, options: { query?: string; now?: () => number } = {}) {
  return openGmail(
    t,
    ({ path }) => {
      if (path.endsWith('/labels')) return { body: { labels: LABELS } }
      if (path.endsWith('/messages')) return { body: { messages: [{ id: 'a', threadId: 'a' }] } }
      return { body: { id: 'a', threadId: 'a', labelIds: ['Label_7'] } }
    },
    { filter, initialSync: { kind: 'all' }, ...options },
  )
}

t.test('the listing leaves out as much as Gmail can filter', async t => {
  const searches: [LabelFilter, query: string, expected: Record<string, string[]>][] = [
    [{ labels: [], skip: JUNK }, '', { q: ['-in:drafts'] }],
    [{ labels: [], skip: ['TRASH', 'SPAM'] }, '', {}],
    [{ labels: [], skip: ['spam'] }, '', { q: ['-in:spam'], includeSpamTrash: ['true'] }],
    [{ labels: [], skip: [] }, '', { includeSpamTrash: ['true'] }],
    [{ labels: ['inbox'], skip: JUNK }, '', { labelIds: ['INBOX'], q: ['-in:drafts'] }],
    [{ labels: ['INBOX', 'SENT'], skip: JUNK }, '', { q: ['{in:inbox in:sent} -in:drafts'] }],
    [{ labels: ['clients/very big'], skip: JUNK }, '', { labelIds: ['Label_7'], q: ['-in:drafts'] }],
    [{ labels: ['Label_7', 'INBOX'], skip: JUNK }, '', { q: ['{label:clients-very-big in:inbox} -in:drafts'] }],
    [{ labels: ['Nobody has it'], skip: JUNK }, '', { q: ['{label:nobody-has-it} -in:drafts'] }],
    [{ labels: [], skip: [...JUNK, 'CATEGORY_PERSONAL'] }, '', { q: ['-in:drafts -category:primary'] }],
    [{ labels: [], skip: JUNK }, 'from:bo', { q: ['from:bo -in:drafts'] }],
    [{ labels: [], skip: JUNK }, 'from:bo OR from:al', { q: ['(from:bo OR from:al) -in:drafts'] }],
  ]
  for (const [filter, query, expected] of searches) {
    const { mailbox, google } = await open(t, filter, { query })
    await mailbox.changes('pinned:1', undefined, openCall())
    const asked = google.asked.find(({ path }) => path.endsWith('/messages'))?.query
    const found = ['q', 'labelIds', 'includeSpamTrash'].flatMap((name): [string, string[]][] =>
      asked?.has(name) ? [[name, asked.getAll(name)]] : [],
    )
    t.same(Object.fromEntries(found), expected, JSON.stringify([filter, query]))
  }
})

t.test('system labels need no request; other names are looked up hourly', async t => {
  let now = 1_790_000_000_000
  const listings = (google: { asked: { path: string }[] }) =>
    google.asked.filter(({ path }) => path.endsWith('/labels')).length
  const plain = await open(t, { labels: ['Inbox', 'CATEGORY_UPDATES'], skip: JUNK })
  await plain.mailbox.changes('pinned:1', undefined, openCall())
  t.equal(listings(plain.google), 0)
  const { mailbox, google } = await open(t, { labels: ['Clients/Very Big'], skip: JUNK }, { now: () => now })
  const call = openCall()
  await mailbox.changes('pinned:1', undefined, call)
  await mailbox.changes('pinned:1', undefined, call)
  t.equal(listings(google), 1)
  t.same(call.metered, [
    ['list', 1],
    ['list', 5],
    ['list', 5],
  ])
  now += 3_600_000
  await mailbox.changes('pinned:1', undefined, call)
  t.equal(listings(google), 2)
})

t.test('a message filtered by its content is reported when fetched', async t => {
  const wanted = [{ id: 'a', thread: 'a' }]
  const skipped = await open(t, { labels: [], skip: ['clients/very big'] })
  t.strictSame(
    await skipped.mailbox.fetch(wanted, openCall()),
    new Map([['a', { outcome: 'filtered', reason: 'labelled Label_7' }]]),
  )
  const others = await open(t, { labels: ['INBOX'], skip: JUNK })
  t.match((await others.mailbox.fetch(wanted, openCall())).get('a'), {
    outcome: 'filtered',
    reason: 'not labelled INBOX',
  })
  const taken = await open(t, { labels: ['Label_7'], skip: JUNK })
  t.match((await taken.mailbox.fetch(wanted, openCall())).get('a'), { outcome: 'ok', message: { id: 'a' } })
})

t.test('a search refused for its scope carries remedies; other errors do not', async t => {
  const refusal = (message: string, reason = 'forbidden') => ({
    status: 403,
    body: {
      error: { code: 403, message, status: 'PERMISSION_DENIED', errors: [{ reason, domain: 'global', message }] },
    },
  })
  const first = await openGmail(t, () => refusal("Metadata scope does not support 'q' parameter"))
  const error = await failure(first.mailbox.changes('pinned:1', undefined, openCall()))
  t.match(error, { kind: 'misconfigured' })
  t.match(
    error.message,
    /gmail\.metadata allows no search; connect .* gmail\.readonly.*GMAIL_QUERY.*SKIP_LABELS without DRAFT/,
  )
  const other = await openGmail(t, () => ({ status: 403, body: apiError(403, 'forbidden') }))
  t.match(await failure(other.mailbox.changes('pinned:1', undefined, openCall())), { kind: 'unauthorized' })
  const none = await openGmail(t, () => ({ body: {} }), { filter: { labels: [], skip: ['SPAM', 'TRASH'] } })
  await none.mailbox.changes('pinned:1', undefined, openCall())
  t.notOk(none.google.asked[0]?.query.has('q'), 'the search can be avoided')
})

t.test('a resync lists newer mail, then existing mail without the search', async t => {
  const { mailbox, google } = await openGmail(
    t,
    ({ query }) => ({
      body: {
        messages: [{ id: `m${query.get('pageToken') ?? 0}`, threadId: 't' }],
        nextPageToken: query.get('pageToken') ? '' : '1',
      },
    }),
    { query: 'from:bo', initialSync: { kind: 'all' } },
  )
  const pages = []
  for (let page: string | undefined; ; ) {
    const changes = await mailbox.changes('pinned:9:1790000000', page, openCall())
    pages.push(changes)
    page = changes.next
    if (page === undefined) break
  }
  t.same(
    google.asked.map(({ query }) => [query.get('q'), query.get('pageToken')]),
    [
      ['from:bo after:1790000000 -in:drafts', null],
      ['from:bo after:1790000000 -in:drafts', '1'],
      ['-in:drafts', null],
      ['-in:drafts', '1'],
    ],
  )
  const idsOf = (listed: readonly { id: string }[] = []) => listed.map(({ id }) => id)
  t.same(
    pages.map(({ ids, overlaps, present, cursor }) => [idsOf(ids), overlaps, present && idsOf(present), cursor]),
    [
      [['m0'], true, undefined, undefined],
      [['m1'], true, undefined, undefined],
      [[], undefined, ['m0'], undefined],
      [[], undefined, ['m1'], 'history:9'],
    ],
  )
})
