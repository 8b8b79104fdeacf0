import t from 'tap'
import { historyRecord, whatHappened } from '../../../shared/gmail/history.ts'
import type { LabelFilter } from '../../../shared/provider/filter.ts'

const WITHOUT_JUNK: LabelFilter = { labels: [], skip: ['SPAM', 'TRASH', 'DRAFT'] }
const ONLY_INBOX = { labels: ['INBOX', 'Label_1'], skip: ['SPAM'] }

const message = (id: string, ...labelIds: string[]) => ({
  message: { id, threadId: `t${id}`, ...(labelIds.length > 0 ? { labelIds } : {}) },
})
const change = (labels: readonly string[], of: ReturnType<typeof message>) => ({ ...of, labelIds: labels })
const happened = (filter: LabelFilter, ...records: object[]) =>
  whatHappened(
    records.map(record => historyRecord.parse(record)),
    filter,
  )

t.test('mail that comes in is listed, and what is left out with the reason', async t => {
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

t.test('what was added and relabelled since is listed, and its labels change where it is held already', async t => {
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

t.test('what was added and trashed since is left out, and what was added and deleted is gone', async t => {
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

t.test('labels that take a message out of what is read make it gone, those that bring it in make it new', async t => {
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

t.test(
  'with labels that are asked for, mail that loses its last one is gone, and mail that gets one is new',
  async t => {
    const removed = (...left: string[]) => ({ labelsRemoved: [change(['INBOX'], message('a', ...left))] })
    t.strictSame(happened(ONLY_INBOX, removed('SENT')).gone, [{ id: 'a', thread: 'ta' }])
    t.strictSame(happened(ONLY_INBOX, removed('Label_1')).labels, [
      { id: 'a', thread: 'ta', added: [], removed: ['INBOX'] },
    ])
    t.strictSame(
      happened(ONLY_INBOX, removed()).ids,
      [{ id: 'a', thread: 'ta', verify: true }],
      'its labels are not told',
    )
    const put = { labelsAdded: [change(['INBOX'], message('a', 'INBOX', 'SENT'))] }
    t.strictSame(happened(ONLY_INBOX, put).ids, [{ id: 'a', thread: 'ta', verify: true }])
  },
)

t.test('the last word on a label holds, and what came and went within a page was never there', async t => {
  const kept = message('a', 'INBOX', 'STARRED')
  const found = happened(
    WITHOUT_JUNK,
    { labelsAdded: [change(['TRASH'], message('a', 'STARRED', 'TRASH'))] },
    { labelsRemoved: [change(['TRASH'], message('a', 'STARRED'))] },
    { labelsAdded: [change(['INBOX'], kept)] },
  )
  t.strictSame(found, { ids: [], gone: [], labels: [{ id: 'a', thread: 'ta', added: ['INBOX'], removed: ['TRASH'] }] })
})

t.test('where the other labels are not told, what came and went decides nothing either', async t => {
  const found = happened(
    WITHOUT_JUNK,
    { labelsAdded: [change(['TRASH'], message('a'))] },
    { labelsRemoved: [change(['TRASH'], message('a'))] },
  )
  t.strictSame(found, { ids: [], gone: [], labels: [{ id: 'a', thread: 'ta', added: [], removed: ['TRASH'] }] })
})

t.test('reading and starring is a change of labels and nothing else', async t => {
  const found = happened(WITHOUT_JUNK, {
    messages: [{ id: 'a', threadId: 'ta' }],
    labelsRemoved: [change(['UNREAD'], message('a', 'INBOX'))],
  })
  t.strictSame(found, { ids: [], gone: [], labels: [{ id: 'a', thread: 'ta', added: [], removed: ['UNREAD'] }] })
})

t.test('a bare record has its messages verified, unless another tells what happened', async t => {
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

t.test('a message whose thread is not told is its own thread, and gone without one', async t => {
  const found = happened(WITHOUT_JUNK, {
    messagesAdded: [{ message: { id: 'a' } }],
    messagesDeleted: [{ message: { id: 'b' } }],
  })
  t.strictSame(found, { ids: [{ id: 'a', thread: 'a' }], gone: [{ id: 'b' }], labels: [] })
})
