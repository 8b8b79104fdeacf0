import t from 'tap'
import { readMessage } from '../../../shared/gmail/message.ts'

const withHeaders = (...headers: [string, string][]) =>
  readMessage({ id: 'a', threadId: 't', payload: { headers: headers.map(([name, value]) => ({ name, value })) } })

t.test('a message resource becomes a message', async t => {
  const message = readMessage({
    id: '18c',
    threadId: '18a',
    labelIds: ['INBOX', 'UNREAD'],
    snippet: 'It&#39;s on &lt;Friday&gt; &amp; late',
    internalDate: '1790000000123',
    sizeEstimate: 12,
    payload: {
      mimeType: 'text/plain',
      headers: [
        { name: 'FROM', value: '"Ana, of Sales" <ana@example.com>' },
        { name: 'to', value: 'bo@example.com, Team: Cy <cy@example.com>, di@example.com;' },
        { name: 'Cc', value: 'Ed <ed@example.com>' },
        { name: 'cc', value: 'flo@example.com' },
        { name: 'Subject', value: 'Friday' },
      ],
    },
  })
  t.same(message, {
    id: '18c',
    thread: '18a',
    labels: ['INBOX', 'UNREAD'],
    date: 1_790_000_000_123,
    subject: 'Friday',
    from: [{ name: 'Ana, of Sales', address: 'ana@example.com' }],
    to: [
      { name: '', address: 'bo@example.com' },
      { name: 'Cy', address: 'cy@example.com' },
      { name: '', address: 'di@example.com' },
    ],
    cc: [
      { name: 'Ed', address: 'ed@example.com' },
      { name: '', address: 'flo@example.com' },
    ],
    snippet: "It's on <Friday> & late",
  })
})

t.test('encoded words are decoded and folds removed', async t => {
  const message = withHeaders(
    ['Subject', '=?UTF-8?B?R3LDvMOfZQ==?=\r\n =?UTF-8?Q?_aus_K=C3=B6ln?='],
    ['From', '=?ISO-8859-1?Q?J=FCrgen?= <j@example.com>'],
  )
  t.equal(message?.subject, 'Grüße aus Köln')
  t.same(message?.from, [{ name: 'Jürgen', address: 'j@example.com' }])
  t.equal(withHeaders(['Subject', 'Re:  a\r\n\tlong   one '])?.subject, 'Re: a long one')
  t.equal(withHeaders(['Subject', 'Grüße 🎉'])?.subject, 'Grüße 🎉', 'decoded text is unchanged')
})

t.test('missing fields are empty', async t => {
  const empty = { id: 'a', thread: 't', labels: [], date: 0, subject: '', from: [], to: [], cc: [], snippet: '' }
  t.same(readMessage({ id: 'a', threadId: 't' }), empty)
  t.same(
    readMessage({ id: 'a', threadId: 't', payload: {}, labelIds: null, internalDate: 'yesterday', snippet: 7 }),
    empty,
  )
  t.same(readMessage({ id: 'a', threadId: 't', payload: { headers: [{ name: 'Subject' }, 'x', null] } }), empty)
  t.same(withHeaders(['From', ''], ['To', ' '], ['Cc', ', ,']), empty)
  t.same(withHeaders(['To', 'undisclosed-recipients:;'])?.to, [])
})

t.test('a resource without id and thread is not a message', async t => {
  for (const body of [
    undefined,
    null,
    '',
    'text',
    [],
    {},
    { id: 'a' },
    { id: '', threadId: 't' },
    { error: { code: 404 } },
  ]) {
    t.equal(readMessage(body), undefined)
  }
})

t.test('a snippet is plain text without padding', async t => {
  const snippet = (text: string) => readMessage({ id: 'a', threadId: 't', snippet: text })?.snippet
  t.equal(snippet('Sale &zwnj; &zwnj; \u034f \u200c\u00a0\u200c\u00a0\u034f\u00ad\u200b\u2007\ufeff'), 'Sale')
  t.equal(snippet('A\u200b \u034fsale\u200c\u200c\u200c now'), 'A sale now')
  t.equal(snippet('a\r\n  b\u00a0\u2003c'), 'a b c')
  t.equal(snippet('👩\u200d💻 می\u200cخواهم'), '👩\u200d💻 می\u200cخواهم', 'joiners stay')
  t.equal(snippet('&amp;lt;b&amp;gt;'), '&lt;b&gt;', 'entities are decoded once')
  t.equal(snippet('\u200b\u200c'), '')
})
