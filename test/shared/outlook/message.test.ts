import { existsSync, readFileSync } from 'node:fs'
import t from 'tap'
import { isWhole, MESSAGE_FIELDS, readMessage, readReadMark } from '../../../shared/outlook/message.ts'
import { resource } from './graph.ts'

const read = (fields: Record<string, unknown>) => readMessage(resource('m', fields))?.message
const person = (name: unknown, address: unknown) => ({ emailAddress: { name, address } })

t.test('a message has its folder, its conversation as thread, and its people', async t => {
  const text = { subject: ' Re:\r\n  plans\t ', bodyPreview: 'Dear Ana,\r\n\r\nhello' }
  t.same(readMessage(resource('m', { ...text, ccRecipients: [person('Cy', 'cy@example.com')] })), {
    folder: 'inbox-id',
    message: {
      id: 'm',
      thread: 'c-m',
      labels: [],
      date: Date.parse('2026-11-23T10:00:00Z'),
      subject: 'Re: plans',
      from: [{ name: 'Bo', address: 'bo@example.com' }],
      to: [{ name: 'Ana', address: 'ana@example.com' }],
      cc: [{ name: 'Cy', address: 'cy@example.com' }],
      snippet: 'Dear Ana, hello',
    },
  })
})

t.test('labels are marks and categories in any spelling, not the folder', async t => {
  const of = (fields: Record<string, unknown>) => read(fields)?.labels
  t.same(of({ isRead: false, isDraft: true, importance: 'high', flag: { flagStatus: 'flagged' } }), [
    'DRAFT',
    'IMPORTANT',
    'STARRED',
    'UNREAD',
  ])
  t.same(of({ isRead: 'false', isDraft: 'True', importance: 'High', flag: { flagStatus: 'Flagged' } }), [
    'DRAFT',
    'IMPORTANT',
    'STARRED',
    'UNREAD',
  ])
  t.same(of({ isRead: 'true', isDraft: 'false', importance: 'low', flag: { flagStatus: 'complete' } }), [])
  t.same(of({ categories: ['Blue', 'UNREAD', 'Blue'], isRead: false }), ['UNREAD', 'Blue'])
  t.same(of({ parentFolderId: 'other' }), of({}))
})

t.test('people without a name, an address, or both are accepted', async t => {
  const toRecipients = [
    null,
    {},
    'no one',
    { emailAddress: null },
    person(null, null),
    person('', '  '),
    person('Only a name', null),
    person(undefined, ' only@example.com '),
    person('"Odd\r\n  name"', '/O=EXCHANGE/CN=ODD'),
    person(7, 'seven@example.com'),
  ]
  t.same(read({ toRecipients, from: null, ccRecipients: null }), {
    ...read({}),
    from: [],
    cc: [],
    to: [
      { name: 'Only a name', address: '' },
      { name: '', address: 'only@example.com' },
      { name: '"Odd name"', address: '/O=EXCHANGE/CN=ODD' },
      { name: '', address: 'seven@example.com' },
    ],
  })
})

t.test('null, missing and unknown fields cost no message', async t => {
  const nulls = Object.fromEntries(MESSAGE_FIELDS.split(',').map(name => [name, null]))
  const message = read({ ...nulls, receivedDateTime: '2026-11-23T10:00:00Z', unknown: { deep: [1] } })
  const date = Date.parse('2026-11-23T10:00:00Z')
  // A message without a conversation is its own thread.
  t.same(message, { id: 'm', thread: 'm', labels: [], date, subject: '', snippet: '', from: [], to: [], cc: [] })
  t.same(readMessage({ id: 'm', receivedDateTime: '2026-11-23T10:00:00Z' }), { folder: undefined, message })
})

t.test('times are read to the millisecond in any precision and zone', async t => {
  const times: [string, number][] = [
    ['2026-11-23T10:00:00.1239999Z', 1_795_428_000_123],
    ['2026-11-23T11:00:00+01:00', 1_795_428_000_000],
    ['0001-01-01T00:00:00Z', -62_135_596_800_000],
    ['1969-12-31T23:59:59Z', -1000],
  ]
  for (const [text, ms] of times) t.equal(read({ receivedDateTime: text })?.date, ms, text)
  for (const text of ['yesterday', '', 7, null]) t.equal(read({ receivedDateTime: text }), undefined, `${text}`)
})

t.test('a resource without an id is not a message', async t => {
  for (const body of [undefined, null, '', 'text', [], {}, { ...resource('m'), id: '' }, { ...resource('m'), id: 7 }]) {
    t.equal(readMessage(body), undefined)
  }
})

t.test('an item is complete if it has all requested fields', async t => {
  t.ok(isWhole(resource('m')))
  t.ok(isWhole(resource('m', { isDraft: 'true', from: undefined })), 'a draft may lack a sender')
  for (const name of MESSAGE_FIELDS.split(',')) {
    t.notOk(isWhole(resource('m', { [name]: undefined })), name)
  }
  t.ok(isWhole(resource('m', { subject: null, from: null })), 'null is a value')
  for (const item of [null, 'text', []]) t.notOk(isWhole(item))
})

t.test('only an item with nothing else is a change of the read mark', async t => {
  t.same(readReadMark({ '@odata.etag': 'x', id: 'm', isRead: 'false' }), { id: 'm', isRead: false })
  t.same(readReadMark({ id: 'm', isRead: true }), { id: 'm', isRead: true })
  for (const item of [
    { id: 'm' },
    { id: 'm', isRead: null },
    { id: 'm', isRead: 'maybe' },
    { id: 'm', isRead: true, subject: 'new' },
    { id: 'm', subject: 'new' },
    null,
    'text',
  ])
    t.equal(readReadMark(item), undefined)
})

const sample = new URL('../../../../../shared/corpus/api/graph-docs-delta-query-messages.json', import.meta.url)
const withoutCorpus = existsSync(sample) ? {} : { skip: 'there is no corpus beside the project' }

t.test('no documented item, with its three fields, counts as complete', withoutCorpus, async t => {
  const { blocks } = JSON.parse(readFileSync(sample, 'utf8')) as { blocks: { json?: { value: unknown[] } }[] }
  const items = blocks.flatMap(({ json }) => json?.value ?? [])
  t.ok(items.length > 5)
  for (const item of items) {
    t.notOk(isWhole(item))
    t.equal(readReadMark(item), undefined)
  }
})
