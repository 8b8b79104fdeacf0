import t from 'tap'
import { readAddresses, readAuthor } from '../../../shared/gmail/addresses.ts'
import { readMessage as readGmail } from '../../../shared/gmail/message.ts'
import { decodeBytes } from '../../../shared/http/charset.ts'
import { readPeople } from '../../../shared/mail/read-message.ts'
import { readHeader, readSnippet } from '../../../shared/mail/words.ts'
import { readMessage as readGraph } from '../../../shared/outlook/message.ts'
import { buildTask } from '../../../shared/task/task.ts'

const gmail = (...headers: [string, string][]) =>
  readGmail({ id: 'a', threadId: 't', payload: { headers: headers.map(([name, value]) => ({ name, value })) } })
const graph = (fields: object) => readGraph({ id: 'a', receivedDateTime: '2026-11-01T08:00:00Z', ...fields })?.message
const recipient = (name?: string | null, address?: string | null) => ({ emailAddress: { name, address } })

t.test('Gmail headers may be raw, or decoded and quoted', async t => {
  const right = [{ name: 'Last, First', address: 'a@example.com' }]
  for (const value of [
    '=?iso-8859-1?Q?Last=2C_First?= <a@example.com>',
    '"Last, First" <a@example.com>',
    '"=?iso-8859-1?Q?Last=2C?= First" <a@example.com>',
  ]) {
    t.same(readAddresses([value]).people, right, value)
    t.same(readAuthor([value]).people, right, value)
    t.match(gmail(['From', value], ['To', value], ['CC', value]), { from: right, to: right, cc: right })
  }
  t.same(readAddresses(['Müller, Jörg <j@example.com>']).people, [{ name: 'Müller, Jörg', address: 'j@example.com' }])
  t.same(readAddresses(['root, Bo <bo@example.com>']).people.length, 2)
})

t.test("the same rules apply to Graph's separate names and addresses", async t => {
  const people = [
    recipient('a@example.com', 'A@example.com'),
    recipient("'a@example.com'", 'a@example.com'),
    recipient('root', 'root'),
    recipient('Bo', null),
    recipient(null, 'bo@example.com'),
    recipient('=?utf-8?Q?M=C3=BCller=2C_B?=', '<b@example.com>'),
    recipient('Ana', '/O=EXAMPLE/OU=FIRST/CN=RECIPIENTS/CN=ANA'),
    recipient('', ''),
  ]
  t.same(graph({ toRecipients: people })?.to, [
    { name: '', address: 'A@example.com' },
    { name: '', address: 'a@example.com' },
    { name: 'root', address: '' },
    { name: 'Bo', address: '' },
    { name: '', address: 'bo@example.com' },
    { name: 'Müller, B', address: 'b@example.com' },
    { name: 'Ana', address: '/O=EXAMPLE/OU=FIRST/CN=RECIPIENTS/CN=ANA' },
  ])
})

t.test('unreadable fields are empty and marked, at both providers', async t => {
  const lost = '\ufffd\ufffd\ufffd\ufffd'
  const messages = [
    gmail(
      ['Subject', lost],
      ['From', `${lost} <a@example.com>`],
      ['To', '=?x-none?Q?=CF=F0=E8?= <b@example.com>'],
      ['Cc', `c${lost}@example.com`],
    ),
    graph({
      subject: lost,
      from: recipient(lost, 'a@example.com'),
      toRecipients: [recipient(lost, 'b@example.com')],
      ccRecipients: [recipient('', `c${lost}@example.com`)],
    }),
  ]
  for (const message of messages) {
    t.match(message, {
      subject: '',
      from: [{ name: '', address: 'a@example.com' }],
      to: [{ name: '', address: 'b@example.com' }],
      cc: [],
      unreadable: ['subject', 'from', 'to', 'cc'],
    })
    if (!message) continue
    const thread = { mailbox: 'gmail:ana@example.com' as const, thread: 't', version: 'v', reason: 'new' as const }
    const task = buildTask(thread, [message], { tokens: 8000, promptVersion: '1', model: '' })
    t.same(task.messages[0]?.unreadable, ['subject', 'from', 'to', 'cc'])
  }
  t.notOk('unreadable' in (gmail(['Subject', 'fine']) ?? {}))
})

t.test('mostly readable text is kept and marked', async t => {
  t.same(readHeader('Caf\ufffd at noon', decodeBytes), { text: 'Caf\ufffd at noon', isWhole: false })
  t.same(readSnippet('\ufffd\ufffd\ufffd ok'), { text: '', isWhole: false })
  t.same(readSnippet('=?utf-8?Q?x?= is an encoded word'), { text: '=?utf-8?Q?x?= is an encoded word', isWhole: true })
})

t.test('bytes are decoded by the named or the detected charset', async t => {
  const read = (bytes: string, charset = '') => decodeBytes(Buffer.from(bytes, 'latin1'), charset)
  for (const [charset, bytes, right] of [
    ['UTF-8', 'M\xc3\xbcnchen', 'München'],
    ['utf-8', 'M\xfcnchen', 'München'],
    ['utf-8', 'M\xc3\xbcnchen \xff', 'München \ufffd'],
    ['"iso-8859-1"', 'M\xfcnchen', 'München'],
    ["iso-8859-1*de'", 'M\xfcnchen', 'München'],
    ['utf-7', '+AGEAYg-', 'ab'],
    ['cp437', 'M\x81nchen', 'München'],
    ['x-mac-roman', 'M\x9fnchen', 'München'],
    ['shift_jis', '\x82\xb1', 'こ'],
    ['iso-2022-jp', '\x1b$B$3\x1b(B', 'こ'],
    ['utf-16le', 'h\0i\0', 'hi'],
    ['hex', 'abc', 'abc'],
    ['base64', 'abc', 'abc'],
    ['constructor', 'M\xfcnchen', 'München'],
    ['__proto__', 'abc', 'abc'],
    ['', '\xcf\xf0\xe8\xe2\xe5\xf2', '\ufffd'.repeat(6)],
  ] as const)
    t.equal(read(bytes, charset), right, `${charset}: ${right}`)
})

t.test('reading takes linear time', async t => {
  const many = 10_000
  for (const piece of [
    '=?utf-8?Q?',
    '=?',
    '?=',
    '"',
    '(',
    '<',
    '\\"',
    'a@',
    ',',
    ';',
    ':',
    ' ',
    '>',
    '@:',
    '=?utf-8?Q?a?=',
    '=?utf-8?Q?a?= ',
    'a,é <a@b>,',
    '\ufffd',
    "'",
  ]) {
    const text = piece.repeat(many / piece.length)
    readAddresses([text, `${text} <a@example.com>`, `<${text}`])
    readAuthor([text])
    readPeople(
      [
        { name: text, address: text },
        { name: 'a', address: `${text}x` },
      ],
      decodeBytes,
    )
    readHeader(text, decodeBytes)
    readSnippet(text)
  }
  t.pass('in the time that a test has')
})
