import t from 'tap'
import { memoryMailbox } from '../../sim/mailbox.ts'
import { ADDRESS, connected } from './client.ts'

const DAY_MS = 86_400_000
const NOW_MS = Date.UTC(2026, 9, 20)

const mail = (name: string, daysAgo: number, labels: readonly string[]) => ({
  raw: `Subject: ${name}\n\n${name}`,
  receivedAtMs: NOW_MS - daysAgo * DAY_MS,
  labels,
})

const mailbox = memoryMailbox(ADDRESS, [
  mail('old', 40, ['INBOX']),
  mail('sent', 20, ['SENT']),
  mail('junk', 9, ['SPAM', 'UNREAD']),
  mail('binned', 8, ['TRASH']),
  mail('work', 5, ['INBOX', 'UNREAD', 'Team/Plan B']),
  mail('advert', 1, ['INBOX', 'CATEGORY_PROMOTIONS']),
])

const searches: Record<string, string[]> = {
  '': ['advert', 'work', 'sent', 'old'],
  'includeSpamTrash=true': ['advert', 'work', 'binned', 'junk', 'sent', 'old'],
  'labelIds=INBOX': ['advert', 'work', 'old'],
  'labelIds=INBOX&labelIds=UNREAD': ['work'],
  'labelIds=SPAM': ['junk'],
  'q=in:spam': ['junk'],
  'q=in:anywhere in:trash': ['binned'],
  'q=newer_than:7d': ['advert', 'work'],
  'q=older_than:1m': ['old'],
  'q=after:2026/10/01': ['advert', 'work'],
  'q=before:2026-10-01': ['sent', 'old'],
  [`q=after:${(NOW_MS - 5 * DAY_MS) / 1000}`]: ['advert', 'work'],
  [`q=before:${(NOW_MS - 5 * DAY_MS) / 1000} in:inbox`]: ['old'],
  'q=-in:inbox': ['sent'],
  'q=label:team-plan-b': ['work'],
  'q=label:"Team/Plan B"': ['work'],
  'q=-label:Label_1 in:inbox': ['advert', 'old'],
  'q=is:unread': ['work'],
  'q=-category:promotions is:read': ['sent', 'old'],
  'q=label:nowhere': [],
  'q={in:sent category:promotions}': ['advert', 'sent'],
  'q={in:sent label:team-plan-b} is:unread': ['work'],
  'q=newer_than:7d {in:sent in:trash}': [],
}

t.test('listings find what Gmail would find', async t => {
  const { get } = await connected(t, mailbox, { now: () => NOW_MS })
  for (const [search, expected] of Object.entries(searches)) {
    const { messages = [] } = (await get(`messages?${encodeURI(search)}`)).body
    const found = []
    for (const { id } of messages) found.push((await get(`messages/${id}?format=minimal`)).body.snippet)
    t.same(found, expected, search)
  }
})

t.test('labels have Gmail’s ids, and counts', async t => {
  const { get } = await connected(t, mailbox)
  const { labels } = (await get('labels')).body
  t.match(labels[0], { id: 'INBOX', name: 'INBOX', type: 'system' })
  t.same(labels.at(-1), { id: 'Label_1', name: 'Team/Plan B', type: 'user' })
  t.match((await get('labels/INBOX')).body, { messagesTotal: 3, messagesUnread: 1, threadsTotal: 3, threadsUnread: 1 })
})

t.test('threads are listed by their newest message, with its snippet', async t => {
  const { get } = await connected(
    t,
    memoryMailbox(ADDRESS, [
      { raw: 'Message-ID: <a>\n\nfirst' },
      { raw: 'Message-ID: <b>\n\nother' },
      { raw: 'In-Reply-To: <a>\n\nlast' },
    ]),
  )
  const { threads, nextPageToken, resultSizeEstimate } = (await get('threads?maxResults=1')).body
  t.match(threads, [{ id: /^[0-9a-f]{16}$/, snippet: 'last', historyId: /^10\d\d$/ }])
  t.equal(resultSizeEstimate, 2)
  t.match((await get(`threads?pageToken=${nextPageToken}`)).body.threads, [{ snippet: 'other' }])
  const thread = (await get(`threads/${threads[0]?.id}?format=minimal`)).body
  t.match(thread, { historyId: threads[0]?.historyId, messages: [{ snippet: 'first' }, { snippet: 'last' }] })
  t.equal((await get(`threads/${threads[0]?.id}?format=raw`)).status, 400)
})
