import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import t from 'tap'
import { encodeBatch, matchParts, parseBatch } from '../../../shared/gmail/batch.ts'
import { batchAnswer } from './google.ts'

const TYPE = 'multipart/mixed; boundary=batch_abc'
const outline = (parts: ReturnType<typeof parseBatch>) =>
  parts.map(({ contentId, status, body }) => [contentId, status, body])

t.test('a batch is written with CRLF, one path a part, and an end', async t => {
  const { contentType, body } = encodeBatch([
    { contentId: 'm0', path: '/gmail/v1/users/me/messages/a?format=metadata' },
    { contentId: 'm1', path: '/gmail/v1/users/me/messages/b?format=metadata' },
  ])
  t.equal(contentType, 'multipart/mixed; boundary=batch_mailsluice')
  t.same(body.split('\r\n'), [
    '--batch_mailsluice',
    'Content-Type: application/http',
    'Content-ID: <m0>',
    '',
    'GET /gmail/v1/users/me/messages/a?format=metadata',
    '',
    '--batch_mailsluice',
    'Content-Type: application/http',
    'Content-ID: <m1>',
    '',
    'GET /gmail/v1/users/me/messages/b?format=metadata',
    '',
    '--batch_mailsluice--',
    '',
  ])
})

t.test('a batch answer is read', async t => {
  const plain = batchAnswer([
    { contentId: '<response-m0>', body: { id: 'a' } },
    { contentId: 'response-m1', status: '404 Not Found', body: { error: { code: 404 } } },
    { contentId: '<m2>', status: '401 Unauthorized' },
    { contentId: '<response-m3>', status: '304 Not Modified' },
    { contentId: '<response-m4>', body: 'Hello\nworld' },
  ]).body
  const expected = [
    ['m0', 200, '{\n  "id": "a"\n}'],
    ['m1', 404, '{\n  "error": {\n    "code": 404\n  }\n}'],
    ['m2', 401, ''],
    ['m3', 304, ''],
    ['m4', 200, 'Hello\nworld'],
  ]
  t.same(outline(parseBatch(TYPE, plain)), expected)
  t.same(outline(parseBatch(TYPE, plain.replaceAll('\r\n', '\n'))), expected, 'with LF only')
  let line = 0
  t.same(
    outline(
      parseBatch(
        TYPE,
        plain.replace(/\r\n/g, () => (line++ % 2 ? '\n' : '\r\n')),
      ),
    ),
    expected,
    'with mixed line endings',
  )
  t.same(outline(parseBatch(TYPE, `Hello.\r\n\r\n${plain}Bye.\r\n--batch_abc\r\nbye`)), expected, 'with text around it')
  t.same(outline(parseBatch(TYPE, plain.replace('--batch_abc--\r\n', ''))), expected, 'without its end')
  t.same(outline(parseBatch(undefined, plain)), expected, 'without a content type')
  t.same(
    outline(parseBatch('multipart/mixed; boundary=other', plain)),
    expected,
    'with another boundary than the header says',
  )
  t.same(
    outline(parseBatch('multipart/mixed;charset=UTF-8; Boundary="batch_abc"; x=y', plain)),
    expected,
    'with a quoted boundary',
  )
  const odd = plain.replaceAll('batch_abc', 'a=b_c=')
  t.same(outline(parseBatch('multipart/mixed; boundary=a=b_c=', odd)), expected, 'with = in its boundary')
  t.same(
    outline(parseBatch(TYPE, plain.replaceAll('--batch_abc\r\n', '--batch_abc  \r\n'))),
    expected,
    'with padded boundaries',
  )
})

t.test('a truncated answer loses only its end', async t => {
  const { body } = batchAnswer([
    { contentId: '<response-m0>', body: { id: 'a' } },
    { contentId: '<response-m1>', body: { id: 'b' } },
  ])
  for (let length = 0; length < body.length; length++) {
    const parts = parseBatch(TYPE, body.slice(0, length))
    if (length > body.indexOf('--batch_abc', 5) + 11) {
      t.same(outline(parts.slice(0, 1)), [['m0', 200, '{\n  "id": "a"\n}']], { diagnostic: false })
    }
  }
})

t.test('an unreadable part keeps its position', async t => {
  const { body } = batchAnswer([
    { contentId: '<response-m0>', body: { id: 'a' } },
    { contentId: '<response-m1>', body: { id: 'b' } },
    { contentId: '<response-m2>', body: { id: 'c' } },
  ])
  const parts = parseBatch(
    TYPE,
    body.replace('<response-m1>\r\n\r\nHTTP/1.1 200 OK', '<response-m1>\r\n\r\nHTTP/1.1 OK'),
  )
  t.same(
    parts.map(({ contentId, status }) => [contentId, status]),
    [
      ['m0', 200],
      ['m1', 0],
      ['m2', 200],
    ],
  )
})

t.test('the headers of a part are read: folded, in any case, first of two', async t => {
  const { body } = batchAnswer([
    { contentId: '<response-m0>', status: '429 Too Many', headers: ['RETRY-AFTER: 2.5', 'X-A: 1', '  2', 'X-A: 3'] },
  ])
  const [part] = parseBatch(TYPE, body)
  t.equal(part?.headers.get('retry-after'), '2.5')
  t.equal(part?.headers.get('x-a'), '1 2')
})

t.test('text that is not a batch answer has no parts', async t => {
  t.same(parseBatch('text/html', '<html><body>Sorry</body></html>'), [])
  t.same(parseBatch(undefined, ''), [])
  t.ok(parseBatch('text/plain', 'Sorry\n-- \n--The team\n').every(part => part.status === 0))
})

t.test('parts are matched by id in any order', async t => {
  const ids = ['m0', 'm1', 'm2']
  const match = (contentIds: (string | undefined)[]) => {
    const { body } = batchAnswer(contentIds.map((contentId, index) => ({ contentId, body: `part ${index}` })))
    const { parts, proven } = matchParts(ids, parseBatch(TYPE, body))
    return [ids.map(id => parts.get(id)?.body.slice(5) ?? '-').join(''), proven]
  }
  t.same(match(['<response-m2>', '<response-m0>', '<response-m1>']), ['120', true])
  t.same(match(['<response-m0>', '<response-m2>']), ['0-1', false], 'one is missing')
  t.same(match(['<response-m0>', '<response-m1>', '<response-x>']), ['01-', false], 'one has an unknown id')
  t.same(match(['<response-m0>', '<response-m1>', '<response-m1>']), ['0--', false], 'two claim the same id')
  t.same(match(['<response-m0>', '<response-m1>', '<response-m2>', '<response-m1>']), ['0-2', false], 'one too many')
  t.same(match(['response-', 'response-', 'response-']), ['012', false], 'without ids, order decides')
  t.same(match([undefined, undefined, undefined]), ['012', false])
  t.same(match(['<x>', '<x>', '<x>']), ['012', false])
  t.same(match(['response-', 'response-']), ['---', false], 'without ids and with one missing, nothing decides')
  t.same(
    match(['<response-m1>', '<response-m1>', '<response-m1>']),
    ['---', false],
    'one known id thrice does not prove an order',
  )
})

// Recorded answers from tests of other clients; not part of the project.
const CORPUS = resolve('../shared/corpus/api')
const skip = existsSync(CORPUS) ? false : 'needs ../shared/corpus'

const RECORDED: [file: string, boundary: string | undefined, statuses: Record<string, number>][] = [
  ['google-batch-response-java-client.txt', 'ABC=DE=F', { '1': 200, '2': 200 }],
  ['google-batch-response-401-part-no-body-java-client.txt', '"ABC=DE=F"', { '1': 200, '2': 401 }],
  ['google-batch-response-503-part-java-client.txt', undefined, { '1': 200, '2': 503 }],
  ['google-batch-response-python-client.txt', 'batch_foobarbaz', { 'randomness + 1': 200, 'randomness + 2': 200 }],
  [
    'google-batch-response-401-part-python-client.txt',
    '"batch_foobarbaz"',
    { 'randomness + 1': 401, 'randomness + 2': 200 },
  ],
  ['google-batch-response-403-part-python-client.txt', undefined, { 'randomness + 1': 200, 'randomness + 2': 403 }],
  [
    'google-batch-response-out-of-order-ruby-client.txt',
    'batch123',
    {
      'ffe23d1b-e8f7-47f5-8c01-2a30cf8ecb8f+0': 200,
      'ffe23d1b-e8f7-47f5-8c01-2a30cf8ecb8f+1': 200,
      'ffe23d1b-e8f7-47f5-8c01-2a30cf8ecb8f+2': 500,
    },
  ],
]

t.test('recorded answers have the right status under the right id', { skip }, async t => {
  for (const [file, boundary, statuses] of RECORDED) {
    const type = boundary && `multipart/mixed; boundary=${boundary}`
    const parts = parseBatch(type, readFileSync(resolve(CORPUS, file), 'utf8'))
    const { parts: found, proven } = matchParts(Object.keys(statuses), parts)
    t.equal(proven, true, file)
    t.same(Object.fromEntries([...found].map(([id, part]) => [id, part.status])), statuses, file)
  }
})

t.test('a recorded Gmail answer without usable ids is matched by order', { skip }, async t => {
  const text = readFileSync(resolve(CORPUS, 'gmail-batch-response-real-73-parts.scrubbed.http.txt'), 'utf8')
  const parts = parseBatch(undefined, text)
  t.equal(parts.length, 73)
  t.equal(parts.filter(part => part.status === 404).length, 3)
  const ids = parts.map((_, index) => `m${index}`)
  const matched = matchParts(ids, parts)
  t.equal(matched.proven, false)
  t.same([...matched.parts.values()], parts)
  t.ok(
    [...matched.parts.values()].every(part =>
      part.status === 200 ? JSON.parse(part.body).id : JSON.parse(part.body).error,
    ),
  )
})

t.test('two parts merged by a damaged line keep their own statuses', async t => {
  const { body } = batchAnswer([
    { contentId: '<response-m0>', status: '429 Too Many Requests', body: { error: { code: 429 } } },
    { contentId: '<response-m1>', status: '404 Not Found', body: { error: { code: 404 } } },
  ])
  const runTogether = (text: string) =>
    text.replace(/(?!^)\r\n--batch_abc(?!-)/, '\0\0--batch_abc').replace('\r\nHTTP', '\0\0HTTP')
  t.same(outline(parseBatch(TYPE, runTogether(body))), [['m0', 0, '']])
  const withoutText = body.replace(/\{[^}]*\}\s*\}/, '')
  t.same(outline(parseBatch(TYPE, runTogether(withoutText))), [['m0', 0, '']])
})
