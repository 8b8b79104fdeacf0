import { readFileSync } from 'node:fs'
import t from 'tap'
import { memoryMailbox } from '../../sim/mailbox.ts'
import { ADDRESS, connected } from './client.ts'

const DAY_MS = 86_400_000
const NOW_MS = Date.UTC(2026, 9, 20)

function mail(name: string, { daysAgo = 1, labels = ['INBOX'], head = [] as string[], body = name } = {}) {
  const headers = [...(head.some(line => /^subject:/i.test(line)) ? [] : [`Subject: ${name}`]), ...head]
  return { raw: `${headers.join('\n')}\nX-Name: ${name}\n\n${body}`, receivedAtMs: NOW_MS - daysAgo * DAY_MS, labels }
}

const multipart = (...parts: string[]) => `--b\n${parts.join('\n--b\n')}\n--b--\n`
const MIXED = 'Content-Type: multipart/mixed; boundary=b'

const mailbox = memoryMailbox(ADDRESS, [
  mail('bo', {
    daysAgo: 400,
    head: ['From: "Bo Berg" <bo@mail.example.com>', `To: ${ADDRESS}`, 'Subject: Dinner and a movie'],
    body: 'The secret of a good holiday is a long vacation, and no birthday.',
  }),
  mail('cy', {
    daysAgo: 30,
    labels: ['INBOX', 'UNREAD', 'STARRED', 'IMPORTANT', 'Team/Plan B'],
    head: [
      'From: cy@example.org',
      'Cc: Di <di@example.com>',
      'Bcc: eve@example.net',
      'Subject: Re: Café au lait',
      'Message-ID: <cy.1@example.org>',
    ],
    body: 'no holiday and no vacation',
  }),
  mail('doc', {
    daysAgo: 5,
    labels: ['INBOX', 'CATEGORY_UPDATES'],
    head: [
      'From: =?utf-8?Q?J=C3=B6rg?= <j@example.com>',
      'Delivered-To: alias@example.com',
      'List-Id: Deck <deck.lists.example.com>',
      MIXED,
    ],
    body: multipart(
      'Content-Type: text/html\n\n<p>See <a href="https://docs.google.com/document/d/1">it</a>, 東京タワーの写真</p>',
      'Content-Type: application/pdf\nContent-Disposition: attachment; filename="Final report.pdf"\n\nJVBE',
    ),
  }),
  mail('big', {
    daysAgo: 3,
    labels: ['SENT'],
    head: [`From: ${ADDRESS}`, 'To: bo@mail.example.com'],
    body: 'x '.repeat(20_000),
  }),
  mail('junk', { daysAgo: 2, labels: ['SPAM'], head: ['From: bo@mail.example.com'], body: 'buy' }),
  mail('kept', { daysAgo: 1, labels: [], head: ['From: cyrus@example.org'] }),
])

// In order of the newest first.
const searches: Record<string, string> = {
  'from:bo': 'bo',
  'from:BO@MAIL.example.com': 'bo',
  'from:example.com': 'big doc bo',
  'from:"bo berg"': 'bo',
  'from:jörg': 'doc',
  'from:cy': 'cy',
  'FROM:cy': 'cy',
  'from: cy': 'cy',
  'from:me': 'big',
  'to:me': 'bo',
  'to:di@example.com': 'cy',
  'cc:di': 'cy',
  'bcc:eve@example.net': 'cy',
  'cc:eve': '',
  'subject:dinner': 'bo',
  'subject:(dinner movie)': 'bo',
  'subject:{dinner café}': 'cy bo',
  'subject:"and a movie"': 'bo',
  'subject:"a dinner"': '',
  'subject:din': '',
  'from:(bo OR cy)': 'cy bo',
  'from:{bo cy} subject:dinner': 'bo',
  'from:bo OR from:cy': 'cy bo',
  'from:bo | from:cy': 'cy bo',
  'is:unread from:bo OR from:cy': 'cy',
  '(is:unread from:bo) OR from:cyrus': 'kept',
  'dinner AND movie': 'bo',
  'dinner movie': 'bo',
  'dinner -movie': '',
  '"dinner and a movie"': 'bo',
  '-from:(bo OR cy) -in:sent': 'kept doc',
  '-{from:bo from:cy from:me}': 'kept doc',
  'holiday AROUND 5 vacation': 'cy bo',
  'holiday AROUND 2 vacation': 'cy',
  'vacation AROUND 2 holiday': 'cy',
  '"holiday AROUND 5 vacation"': 'cy bo',
  '"vacation AROUND 5 holiday"': '',
  'label:team-plan-b': 'cy',
  'label:"Team/Plan B"': 'cy',
  'label:important': 'cy',
  'in:sent': 'big',
  'in:archive': 'kept',
  'in:anywhere from:bo': 'junk bo',
  'in:spam': 'junk',
  '-in:spam buy': '',
  'is:starred is:important is:unread': 'cy',
  'is:read in:inbox': 'doc bo',
  'has:attachment': 'doc',
  '-has:attachment in:inbox': 'cy bo',
  'has:userlabels': 'cy',
  'has:nouserlabels in:inbox': 'doc bo',
  'has:document': 'doc',
  'has:drive': 'doc',
  'has:youtube': '',
  'filename:pdf': 'doc',
  'filename:"final report.pdf"': 'doc',
  'filename:report.docx': '',
  'category:updates': 'doc',
  'list:deck.lists.example.com': 'doc',
  'list:lists.example.com': 'doc',
  'deliveredto:alias@example.com': 'doc',
  'rfc822msgid:cy.1@example.org': 'cy',
  'rfc822msgid:<cy.1@example.org>': 'cy',
  'larger:30K': 'big',
  'larger:10M': '',
  'smaller:30k in:sent': '',
  'size:1': '',
  'newer_than:4d': 'kept big',
  'older_than:1y': 'bo',
  'newer_than:1y from:example.org': 'kept cy',
  'after:2026/10/14 before:2026/10/18': 'big doc',
  'after:10/14/2026 older:2026-10-16': 'doc',
  東京: 'doc',
  '+vacation': 'cy bo',
  'from:bo, subject:dinner;': 'bo',
  '()': 'kept big doc cy bo',
  '- vacation': 'cy bo',
  'https://docs.google.com/document/d/1': '',
  'from:(bo': 'bo',
}

t.test('Gmail’s operators find what its help describes', async t => {
  const { get } = await connected(t, mailbox, { now: () => NOW_MS })
  const find = async (q: string) => {
    const { messages = [] } = (await get(`messages?q=${encodeURIComponent(q)}`)).body
    const found = []
    for (const { id } of messages) {
      const { payload } = (await get(`messages/${id}?format=metadata&metadataHeaders=X-Name`)).body
      found.push((payload as { headers: { value: string }[] }).headers[0]?.value)
    }
    return found.join(' ')
  }
  for (const [q, expected] of Object.entries(searches)) t.equal(await find(q), expected, q)
})

t.test('an unsupported operator is refused by name', async t => {
  const { get } = await connected(t, mailbox)
  for (const [q, named] of [
    ['has:yellow-star', 'has:yellow-star'],
    ['in:snoozed', 'in:snoozed'],
    ['is:muted', 'is:muted'],
    ['category:purchases', 'category:purchases'],
    ['from:bo colour:red', 'colour:red'],
    ['after:yesterday', 'after:yesterday'],
    ['after:2026/06/31', 'after:2026/06/31'],
    ['newer_than:1w', 'newer_than:1w'],
    ['larger:big', 'larger:big'],
    ['label:^smartlabel_receipt', 'label:^smartlabel_receipt'],
    ['-{is:unread __proto__:constructor}', '__proto__:constructor'],
    ['constructor:a', 'constructor:a'],
  ] as const) {
    const { status, body } = await get(`messages?q=${encodeURIComponent(q)}`)
    t.equal(status, 400, q)
    t.equal(
      (body as unknown as { error: { message: string } }).error.message,
      `The simulator does not simulate "${named}"`,
    )
  }
  for (const q of ['from:', ')', 'a}', 'from:bo AROUND 3 subject:x'])
    t.match((await get(`messages?q=${encodeURIComponent(q)}`)).status, q.includes('AROUND') ? 200 : 400, q)
})

t.test('threads are searched alike, and a deep or long search is refused', async t => {
  const { get } = await connected(t, mailbox, { now: () => NOW_MS })
  const { threads = [] } = (await get('threads?q=from%3Abo')).body
  t.equal(threads.length, 1)
  for (const q of ['('.repeat(5000), `${'-'.repeat(4000)}a`, `${'{a '.repeat(1500)}`]) {
    const { status } = await get(`messages?q=${encodeURIComponent(q)}`)
    t.ok(status === 400 || status === 200, `${q.slice(0, 5)}: ${status}`)
  }
})

t.test('the simulator answers the example of GMAIL_QUERY', async t => {
  const example = readFileSync(new URL('../../../.env.example', import.meta.url), 'utf8')
  const [, query = ''] = /^# GMAIL_QUERY=.*: (.+)$/m.exec(example) ?? []
  t.match(query, 'newer_than:')
  const { get } = await connected(t, mailbox, { now: () => NOW_MS })
  const { status, body } = await get(`messages?q=${encodeURIComponent(`${query} -in:drafts`)}`)
  t.equal(status, 200)
  t.equal(body.messages?.length, 2)
})
