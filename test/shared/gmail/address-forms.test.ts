import fc from 'fast-check'
import t from 'tap'
import { readAddresses } from '../../../shared/gmail/addresses.ts'
import { readMessage as readGmail } from '../../../shared/gmail/message.ts'

const gmail = (name: string, value: string) =>
  readGmail({ id: 'a', threadId: 't', payload: { headers: [{ name, value }] } })

t.test('comments in comments, doubled brackets and names in brackets leave the address what it is', async t => {
  for (const [value, name] of [
    ['bo@example.com (Bo (the) Man)', 'Bo the Man'],
    ['bo@example.com (Bo ((very) (much)))', 'Bo very much'],
    ['bo@example.com (Bo (x)', 'Bo x'],
    ['Bo <<bo@example.com>>', 'Bo'],
    ['Bo <Sales> <bo@example.com>', 'Bo <Sales>'],
    ['=?utf-8?Q?J=C3=B6rg?= <HR> <bo@example.com>', 'Jörg <HR>'],
    ['"Bo <Sales>" <bo@example.com>', 'Bo <Sales>'],
  ] as const) {
    const right = [{ name, address: 'bo@example.com' }]
    t.match(gmail('From', value)?.from, right, value)
    t.same(gmail('To', `${value}, ana@example.com`)?.to, [...right, { name: '', address: 'ana@example.com' }], value)
  }
})

const name = fc
  .array(
    fc.constantFrom(
      'Bo',
      "O'Neil",
      'J.',
      'Jørgen',
      '陳',
      'a-b',
      '_',
      ' ',
      '  ',
      ',',
      '<',
      '(',
      ':',
      ';',
      '\u00a0',
      '\ufe0f',
      '\t',
      '\\',
      '@x',
      '=?utf-8?Q?a=2C?=',
    ),
    {
      maxLength: 6,
    },
  )
  .map(parts => parts.join(''))
const address = fc.constantFrom(
  'bo@example.com',
  'A+b=c@x.example',
  '.a@b',
  'a@b.',
  "o'neil@x.example",
  'a@b@c',
  'root',
)
const entry = fc.oneof(
  name.map(said => `"${said}`),
  fc.tuple(name, address).map(([said, at]) => `"${said}" <${at}>`),
  fc.tuple(name, address).map(([said, at]) => `${said} <${at}>`),
  fc.tuple(name, address).map(([said, at]) => `${said}<${at}>`),
  fc.tuple(name, address).map(([said, at]) => `"${said}"<${at}>`),
  address,
  name,
)

t.test('plain addresses are what the parser reads', async t => {
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 5 }), fc.constantFrom(',', ', ', ' , '), (entries, comma) => {
      const list = entries.join(comma)
      // A comment takes the parser, and so does all behind it.
      const [, ...parsed] = readAddresses([`first@example.com (x),${list}`]).people
      t.same(readAddresses([list]).people, parsed, list)
    }),
    { numRuns: 2000 },
  )
})

t.test('of a long list the rest is counted', async t => {
  const many = 30_000
  const lists = {
    plain: Array.from({ length: many }, (_, n) => `Person ${n} <person${n}@example.com>`),
    quoted: Array.from({ length: many }, (_, n) => `"p${n}@example.com" <p${n}@example.com>`),
    encoded: Array.from({ length: many }, (_, n) => `=?utf-8?Q?Bj=C3=B6rn_${n}?= <p${n}@example.com>`),
  }
  for (const [kind, list] of Object.entries(lists)) {
    const started = process.cpuUsage()
    const { people, isWhole, more = 0 } = readAddresses([list.join(', ')])
    const { user } = process.cpuUsage(started)
    t.equal(people.length + more, many, kind)
    t.notOk(isWhole, kind)
    // The parser takes a hundred times as long.
    const isBounded = people.length > 300 && (kind !== 'encoded' || people.length < 1000)
    t.ok(isBounded, `${kind}: ${people.length} were read`)
    t.ok(user < 300_000, `${kind}: ${user} us`)
    const half = list.slice(0, 15_000).join(', ')
    const {
      to,
      cc,
      more: both,
    } = readGmail({
      id: 'a',
      threadId: 't',
      payload: {
        headers: [
          { name: 'To', value: half },
          { name: 'Cc', value: half },
        ],
      },
    }) ?? {}
    t.equal((to?.length ?? 0) + (cc?.length ?? 0) + (both?.people ?? 0), many, kind)
  }
  t.match(readAddresses([lists.plain.slice(0, 2000).join(', ')]), { isWhole: true, more: 0 })
})
