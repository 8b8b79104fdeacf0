import fc from 'fast-check'
import t from 'tap'
import { memoryMailbox, type NewMail } from '../../sim/mailbox.ts'
import { ADDRESS, connected } from './client.ts'

const base64url = (text: string | Buffer) =>
  Buffer.from(text).toString('base64').replaceAll('+', '-').replaceAll('/', '_')

async function loaded(t: Parameters<typeof connected>[0], raw: string | Buffer) {
  const { get } = await connected(t, memoryMailbox(ADDRESS, [{ raw, receivedAtMs: 1_788_000_000_000 }]))
  const id = (await get('messages')).body.messages[0]?.id
  return async (format: string, more = '') => (await get(`messages/${id}?format=${format}${more}`)).body
}

const MAIL = [
  'Received: from a',
  '\tby b; Mon, 7 Sep 2026 10:00:00 +0000',
  'SUBJECT: =?UTF-8?Q?Gr=C3=BC=C3=9Fe?= =?UTF-8?B?IGF1cyBLw7Zsbg==?=',
  'From: "O\'Neil, Pat" <pat@example.com>',
  'X-Raw: Z\xfcrich',
  'Message-Id: <m@example.com>',
  'Content-Type: multipart/mixed; boundary="a=b"',
  '',
  'preamble',
  '--a=b',
  'Content-Type: multipart/alternative; boundary=inner',
  '',
  '--inner',
  'Content-Type: text/plain; charset=iso-8859-1',
  'Content-Transfer-Encoding: quoted-printable',
  '',
  'Tom & Ana said <yes>, "maybe" or it\'s caf=E9=',
  ' time',
  '--inner',
  'Content-Type: text/html',
  '',
  '<p>html</p>',
  '--inner--',
  '--a=b',
  'Content-Type: application/pdf',
  "Content-Disposition: attachment; filename*0*=utf-8''%E2%82%AC%20; filename*1=offer.pdf",
  'Content-Transfer-Encoding: base64',
  '',
  'AAECAwQF',
  '--a=b',
  'Content-Type: message/rfc822',
  '',
  'Subject: inner',
  '',
  'inner text',
  '--a=b--',
  'epilogue',
].join('\r\n')

t.test('full has the tree of parts with decoded content', async t => {
  const get = await loaded(t, Buffer.from(MAIL, 'latin1'))
  const { payload } = await get('full')
  const text = 'Tom & Ana said <yes>, "maybe" or it\'s café time'
  t.match(payload, {
    partId: '',
    mimeType: 'multipart/mixed',
    filename: '',
    body: { size: 0 },
    parts: [
      {
        partId: '0',
        mimeType: 'multipart/alternative',
        parts: [
          { partId: '0.0', mimeType: 'text/plain', body: { size: Buffer.byteLength(text), data: base64url(text) } },
          { partId: '0.1', mimeType: 'text/html', body: { data: base64url('<p>html</p>') } },
        ],
      },
      { partId: '1', mimeType: 'application/pdf', filename: '€ offer.pdf', body: { size: 6, attachmentId: String } },
      {
        partId: '2',
        mimeType: 'message/rfc822',
        parts: [{ partId: '2.0', mimeType: 'text/plain', body: { data: base64url('inner text') } }],
      },
    ],
  })
})

t.test('headers keep their order and spelling, unfolded and decoded', async t => {
  const get = await loaded(t, Buffer.from(MAIL, 'latin1'))
  t.same((await get('metadata')).payload, {
    mimeType: 'multipart/mixed',
    headers: [
      { name: 'Received', value: 'from a\tby b; Mon, 7 Sep 2026 10:00:00 +0000' },
      { name: 'SUBJECT', value: 'Grüße aus Köln' },
      { name: 'From', value: '"O\'Neil, Pat" <pat@example.com>' },
      { name: 'X-Raw', value: 'Zürich' },
      { name: 'Message-Id', value: '<m@example.com>' },
      { name: 'Content-Type', value: 'multipart/mixed; boundary="a=b"' },
    ],
  })
  const chosen = await get('metadata', '&metadataHeaders=subject&metadataHeaders=message-ID')
  t.match(chosen.payload, { headers: [{ name: 'SUBJECT' }, { name: 'Message-Id' }] })
  t.same((await get('metadata', '&metadataHeaders=None')).payload, { mimeType: 'multipart/mixed' })
})

t.test('every format has ids, labels, snippet, size and date; raw has the exact bytes', async t => {
  const bytes = Buffer.from(MAIL, 'latin1')
  const get = await loaded(t, bytes)
  const common = ['historyId', 'id', 'internalDate', 'labelIds', 'sizeEstimate', 'snippet', 'threadId']
  const keys: Record<string, string[]> = { minimal: [], metadata: ['payload'], full: ['payload'], raw: ['raw'] }
  for (const [format, own] of Object.entries(keys)) {
    const body = await get(format)
    t.same(Object.keys(body).sort(), [...common, ...own].sort(), format)
    t.match(body, { sizeEstimate: bytes.length, internalDate: '1788000000000' })
    t.equal(body.snippet, 'Tom &amp; Ana said &lt;yes&gt;, &quot;maybe&quot; or it&#39;s café time')
  }
  t.equal((await get('raw')).raw, base64url(bytes))
  t.match(await get('everything'), { error: { code: 400 } })
})

t.test('an attachment is read by the id in its part', async t => {
  const { get } = await connected(t, memoryMailbox(ADDRESS, [{ raw: Buffer.from(MAIL, 'latin1') }]))
  const id = (await get('messages')).body.messages[0]?.id
  const { payload } = (await get(`messages/${id}?fields=payload/parts/body/attachmentId`)).body
  const [, attachmentId] = JSON.stringify(payload).match(/"attachmentId":"([^"]+)"/) ?? []
  t.same((await get(`messages/${id}/attachments/${attachmentId}`)).body, { size: 6, data: 'AAECAwQF' })
  t.equal((await get(`messages/${id}/attachments/none`)).status, 404)
})

t.test('an HTML-only mail’s snippet is its text, up to 200 characters', async t => {
  const html = `<html><head><style>p{}</style></head><body><!-- no --><p>A &amp; B</p>${'<b>wörd</b> '.repeat(90)}</body></html>`
  const get = await loaded(t, `Content-Type: text/html; charset=utf-8\n\n${html}`)
  const { snippet } = await get('minimal')
  t.ok(snippet.startsWith('A &amp; B wörd wörd'))
  t.ok(snippet.length <= 204, `${snippet.length}`)
})

const oddities: Record<string, { raw: string; payload: object }> = {
  'no headers': { raw: 'just text\n', payload: { mimeType: 'text/plain', body: { data: base64url('just text\n') } } },
  'nothing at all': { raw: '', payload: { mimeType: 'text/plain', body: { size: 0 } } },
  'no blank line': {
    raw: 'Subject: x\nstray text',
    payload: { headers: [{ name: 'Subject' }], body: { data: base64url('stray text') } },
  },
  'a multipart without parts': {
    raw: 'Content-Type: multipart/mixed; boundary=x\n\nplain words',
    payload: { mimeType: 'text/plain', body: { data: base64url('plain words') } },
  },
  'a missing last boundary': {
    raw: 'Content-Type: multipart/mixed; boundary=x\n\n--x\n\none\n--x\n\ntwo\n',
    payload: { parts: [{ body: { data: base64url('one') } }, { body: { data: base64url('two\n') } }] },
  },
  'a boundary that begins like another': {
    raw: 'Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: multipart/mixed; boundary=xy\n\n--xy\n\na\n--xy--\n--x\n\nb\n--x--',
    payload: { parts: [{ parts: [{ body: { data: base64url('a') } }] }, { body: { data: base64url('b') } }] },
  },
  'bare carriage returns': {
    raw: 'Subject: mac\r\rtext\r',
    payload: { headers: [{ value: 'mac' }], body: { data: base64url('text\r') } },
  },
  'an unknown charset': {
    raw: 'Content-Type: text/plain; charset=x-made-up\n\nwords',
    payload: { mimeType: 'text/plain', body: { data: base64url('words') } },
  },
}

t.test('broken mail has a payload too', async t => {
  for (const [what, { raw, payload }] of Object.entries(oddities)) {
    const get = await loaded(t, raw)
    t.match((await get('full')).payload, payload, what)
  }
})

t.test('no bytes make a mail unreadable', async t => {
  const lines = fc.constantFrom(
    'Subject: a',
    'Content-Type: multipart/mixed; boundary=x',
    '--x',
    '--x--',
    '',
    ' folded',
    '=?utf-8?Q?=ff?=',
  )
  const content = fc.oneof(
    fc.uint8Array({ maxLength: 300 }).map(bytes => Buffer.from(bytes)),
    fc.array(lines).map(all => Buffer.from(all.join('\n'))),
  )
  const mails: NewMail[] = fc.sample(content, { numRuns: 60, seed: 7 }).map(raw => ({ raw }))
  const { get } = await connected(t, memoryMailbox(ADDRESS, mails))
  for (const { id } of (await get('messages')).body.messages) {
    for (const format of ['full', 'metadata']) t.equal((await get(`messages/${id}?format=${format}`)).status, 200)
  }
})
