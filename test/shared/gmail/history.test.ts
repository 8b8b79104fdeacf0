import t from 'tap'
import { historyRecord, summarizeHistory } from '../../../shared/gmail/history.ts'
import type { LabelFilter } from '../../../shared/provider/filter.ts'

const WITHOUT_JUNK: LabelFilter = { labels: [], skip: ['SPAM', 'TRASH', 'DRAFT'] }
const ONLY_INBOX = { labels: ['INBOX', 'Label_1'], skip: ['SPAM'] }

const message = (id: string, ...labelIds: string[]) => ({
  message: { id, threadId: `t${id}`, ...(labelIds.length > 0 ? { labelIds } : {}) },
})
const change = (labels: readonly string[], of: ReturnType<typeof message>) => ({ ...of, labelIds: labels })
const happened = (filter: LabelFilter, ...records: object[]) =>
  summarizeHistory(
    records.map(record => historyRecord.parse(record)),
    filter,
  )

t.test('new mail is listed; filtered mail is listed with its reason', async t => {
  const added = [message('a', 'INBOX'), message('b', 'SPAM'), message('c', 'DRAFT', 'INBOX'), message('d')]
  t.strictSame(happened(WITHOUT_JUNK, { messagesAdded: added }), {
    ids: [
      { id: 'a', thread: 'ta' },
      { id: 'b', thread: 'tb', filtered: 'labelled SPAM' },
      { id: 'c', thread: 'tc', filtered: 'labelled DRAFT' },
      { id: 'd', thread: 'td' },
    ],
    gone: [],
    labels: [],
  })
  t.match(happened(ONLY_INBOX, { messagesAdded: [message('e', 'SENT'), message('f', 'Label_1')] }).ids, [
    { id: 'e', filtered: 'not labelled INBOX or Label_1' },
    { id: 'f', filtered: undefined },
  ])
})

t.test('mail added and relabelled is listed, and its cached labels change', async t => {
  const found = happened(
    WITHOUT_JUNK,
    { messagesAdded: [message('a', 'INBOX')] },
    { labelsRemoved: [change(['INBOX'], message('a', 'Label_1'))], labelsAdded: [change(['Label_1'], message('a'))] },
  )
  t.strictSame(found, {
    ids: [{ id: 'a', thread: 'ta' }],
    gone: [],
    labels: [{ id: 'a', thread: 'ta', added: ['Label_1'], removed: ['INBOX'] }],
  })
})

t.test('mail added and trashed is filtered; mail added and deleted is gone', async t => {
  const found = happened(
    WITHOUT_JUNK,
    { messagesAdded: [message('a', 'INBOX'), message('b', 'INBOX')] },
    { labelsAdded: [change(['TRASH'], message('a'))], labelsRemoved: [change(['INBOX'], message('a'))] },
    { messagesDeleted: [message('b')] },
  )
  t.strictSame(found, {
    ids: [{ id: 'a', thread: 'ta', filtered: 'labelled TRASH' }],
    gone: [{ id: 'b', thread: 'tb' }],
    labels: [],
  })
})

t.test('label changes make a message gone or new, by the filter', async t => {
  for (const [filter, label] of [
    [WITHOUT_JUNK, 'TRASH'],
    [WITHOUT_JUNK, 'SPAM'],
  ] as const) {
    for (const reported of [message('a', 'UNREAD', label), message('a')]) {
      const out = happened(filter, { labelsAdded: [change([label], reported)] })
      t.strictSame(out, { ids: [], gone: [{ id: 'a', thread: 'ta' }], labels: [] })
    }
    for (const reported of [message('a', 'UNREAD'), message('a')]) {
      const back = happened(filter, { labelsRemoved: [change([label], reported)] })
      t.strictSame(back, { ids: [{ id: 'a', thread: 'ta', verify: true }], gone: [], labels: [] })
    }
  }
})

t.test('with wanted labels, losing the last one is gone and gaining one is new', async t => {
  const removed = (...left: string[]) => ({ labelsRemoved: [change(['INBOX'], message('a', ...left))] })
  t.strictSame(happened(ONLY_INBOX, removed('SENT')).gone, [{ id: 'a', thread: 'ta' }])
  t.strictSame(happened(ONLY_INBOX, removed('Label_1')).labels, [
    { id: 'a', thread: 'ta', added: [], removed: ['INBOX'] },
  ])
  t.strictSame(
    happened(ONLY_INBOX, removed()).ids,
    [{ id: 'a', thread: 'ta', verify: true }],
    'its labels are not reported',
  )
  const put = { labelsAdded: [change(['INBOX'], message('a', 'INBOX', 'SENT'))] }
  t.strictSame(happened(ONLY_INBOX, put).ids, [{ id: 'a', thread: 'ta', verify: true }])
})

t.test('the last label change counts, and an undone change never happened', async t => {
  const kept = message('a', 'INBOX', 'STARRED')
  const found = happened(
    WITHOUT_JUNK,
    { labelsAdded: [change(['TRASH'], message('a', 'STARRED', 'TRASH'))] },
    { labelsRemoved: [change(['TRASH'], message('a', 'STARRED'))] },
    { labelsAdded: [change(['INBOX'], kept)] },
  )
  t.strictSame(found, { ids: [], gone: [], labels: [{ id: 'a', thread: 'ta', added: ['INBOX'], removed: ['TRASH'] }] })
})

t.test('an undone change with unknown labels decides nothing', async t => {
  const found = happened(
    WITHOUT_JUNK,
    { labelsAdded: [change(['TRASH'], message('a'))] },
    { labelsRemoved: [change(['TRASH'], message('a'))] },
  )
  t.strictSame(found, { ids: [], gone: [], labels: [{ id: 'a', thread: 'ta', added: [], removed: ['TRASH'] }] })
})

t.test('reading and starring only changes labels', async t => {
  const found = happened(WITHOUT_JUNK, {
    messages: [{ id: 'a', threadId: 'ta' }],
    labelsRemoved: [change(['UNREAD'], message('a', 'INBOX'))],
  })
  t.strictSame(found, { ids: [], gone: [], labels: [{ id: 'a', thread: 'ta', added: [], removed: ['UNREAD'] }] })
})

t.test('messages of a bare record are verified, unless another record explains them', async t => {
  const bare = (id: string) => ({ id: '7', messages: [{ id, threadId: `t${id}` }] })
  t.strictSame(happened(WITHOUT_JUNK, bare('a')), {
    ids: [{ id: 'a', thread: 'ta', verify: true }],
    gone: [],
    labels: [],
  })
  t.strictSame(happened(WITHOUT_JUNK, bare('a'), { messagesAdded: [message('a', 'INBOX')] }).ids, [
    { id: 'a', thread: 'ta' },
  ])
  t.strictSame(happened(WITHOUT_JUNK, { messagesDeleted: [message('a')] }, bare('a')).gone, [{ id: 'a', thread: 'ta' }])
  t.strictSame(happened(WITHOUT_JUNK, bare('a'), { labelsAdded: [change(['TRASH'], message('a'))] }).ids, [
    { id: 'a', thread: 'ta', verify: true },
  ])
})

t.test('a message without a thread is its own thread, and gone without one', async t => {
  const found = happened(WITHOUT_JUNK, {
    messagesAdded: [{ message: { id: 'a' } }],
    messagesDeleted: [{ message: { id: 'b' } }],
  })
  t.strictSame(found, { ids: [{ id: 'a', thread: 'a' }], gone: [{ id: 'b' }], labels: [] })
})
