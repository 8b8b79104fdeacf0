import fc from 'fast-check'
import t from 'tap'
import { oneLine } from '../../../shared/text.ts'
import { excerptOf } from '../../../shared/webhook/excerpt.ts'
import { HOSTILE } from '../../support/hostile.ts'

const SENT = JSON.stringify({
  data: {
    subject: 'Budget für Köln',
    messages: [{ text: 'The Zanzibar figures, pin 4711-0815.\n会議は明日です. Write to bo@example.com & Co; "Ω"' }],
  },
})

t.test('what a receiver says of a request stays', async t => {
  const said = [
    'unknown field data.version',
    '{"error":{"code":"E1042","detail":"messages[0].from is required"}}',
    'invalid JSON: expected string, found null',
  ]
  for (const text of said) t.equal(excerptOf(text, SENT), text)
  t.equal(
    excerptOf('<html><head><title>404 Not Found</title></head>\r\n<body>\n<h1>nginx</h1>', SENT),
    '404 Not Found nginx',
  )
  t.equal(excerptOf('', SENT), '')
})

t.test('words of the mail go, however the receiver quotes them', async t => {
  const quotes = [
    SENT,
    SENT.toUpperCase(),
    `unexpected value: ${SENT}`,
    // As Python's json and PHP's json_encode write it.
    JSON.stringify({ error: SENT }).replace(
      /[^\x20-\x7e]/g,
      one => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`,
    ),
    encodeURIComponent(SENT).replaceAll('%20', '+'),
    SENT.replaceAll('"', '&quot;').replaceAll('&', '&amp;'),
    'エラー会議は明日エラー',
    'figures: Zanzib',
    '"Ω"',
  ]
  const parts = [
    'zanzibar',
    'zanzib',
    '4711',
    '0815',
    'köln',
    'für',
    'budget',
    '会議',
    '明日',
    'example',
    'ω',
    'wyJ0',
    '7a616e',
  ]
  for (const text of quotes)
    for (const part of parts)
      t.notOk(excerptOf(text, SENT).toLowerCase().includes(part), `${part} in ${text.slice(0, 60)}`)
})

t.test('an encoded mail goes as a whole', async t => {
  for (const encoding of ['base64', 'base64url', 'hex'] as const)
    t.equal(excerptOf(`got ${Buffer.from(SENT).toString(encoding)}`, SENT), 'got …', encoding)
})

t.test('no word of the mail comes through from any text', async t => {
  const word = fc.stringMatching(/^[b-z\dà-ÿ]{5,30}$/)
  const texts = fc.tuple(fc.array(word, { minLength: 1, maxLength: 20 }), fc.constantFrom(' ', ', ', '"', '/', '\n'))
  fc.assert(
    fc.property(texts, ([words, mark]) => {
      const shown = excerptOf(`refused: ${words.join(mark)}`, `{"text":"${words.join(' ')}"}`)
      return words.every(one => !shown.includes(one))
    }),
  )
  t.match(excerptOf('refused: zanzibar', '{"text":"Zanzibar"}'), /^refused: …$/)
})

t.test('an excerpt is short, clean and on one line', async t => {
  for (const text of [
    HOSTILE,
    `${'no such thing '.repeat(9000)}`,
    '…'.repeat(70_000),
    'x'.repeat(70_000),
    '<'.repeat(70_000),
  ]) {
    const shown = excerptOf(text, '')
    t.ok(shown.length <= 200, `${shown.length}`)
    t.equal(shown, oneLine(shown))
    t.notMatch(shown, /\p{Cc}/u)
  }
})
