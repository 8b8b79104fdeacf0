import t from 'tap'
import { tidyText } from '../../shared/body/tidy.ts'
import { MailError } from '../../shared/error.ts'
import { encodeEntry } from '../../shared/slice.ts'
import { analysisTasks } from '../../shared/streams.ts'
import { cleaned, cleanJson, cleanLines, cleanText, cutText, oneLine } from '../../shared/text.ts'

const HIGH = '\ud83d'
const LOW = '\ude00'
const FAMILY = '👩‍👩‍👧‍👦'

t.test('clean text holds no half characters and no control characters', async t => {
  t.equal(cleanText(`noon ${HIGH}`), 'noon ')
  t.equal(cleanText(`${LOW}${HIGH}a${HIGH}`), 'a')
  t.equal(cleanText('😀 a\u0000b\u001b[31m\u0007\u007f\u009b'), '😀 ab[31m')
  t.equal(cleanText('a\r\nb\tc\u0085d'), 'a  b c d', 'line breaks become blanks')
  t.equal(oneLine(' Free\u0000 \r\n\t next  week '), 'Free next week')
  t.equal(oneLine(null), '')
  for (const text of ['', 'plain', 'Grüße 🎉', FAMILY, 'می\u200cخواهم']) t.equal(cleanText(text), text)
})

t.test('no text says what nobody sees', async t => {
  const tags = [...'hi'].map(one => String.fromCodePoint(0xe0000 + one.charCodeAt(0))).join('')
  const scotland = '🏴\u{E0067}\u{E0062}\u{E0073}\u{E0063}\u{E0074}\u{E007F}'
  const texts: [string, string][] = [
    [`a${tags}b`, 'ab'],
    [`🏴${tags.repeat(9)}\u{E007F}b`, '🏴b'],
    [`${scotland}${tags}`, scotland],
    ['葛\u{E0100}\u{E0101}\u{E0102}b', '葛\u{E0100}b'],
    [`😀\uFE0F${tags}\u{E0150}b`, '😀\uFE0Fb'],
    ['\u{E0150}b ✈️ 1️⃣', 'b ✈️ 1️⃣'],
    ['a\u202Egpj.exe\u202C \u2066b\u2069', 'agpj.exe b'],
  ]
  for (const [text, clean] of texts) {
    t.equal(cleanText(text), clean)
    t.equal(cleanLines(text), clean)
    t.equal(tidyText(text), clean)
    t.equal(JSON.parse(cleanJson(JSON.stringify(text))), clean)
  }
})

t.test('text is never cut inside a character', async t => {
  t.equal(cutText('abc', 3), 'abc')
  t.equal(cutText('abc', 2), 'ab')
  t.equal(cutText('abc', 0), '')
  t.equal(cutText('abc', -1), '')
  t.equal(cutText(`${'a'.repeat(399)}😀b`, 400), 'a'.repeat(399))
  for (const whole of [FAMILY, '🇩🇪', 'e\u0301\u0323', '👍🏽', '각', '✈️']) {
    for (let most = 1; most < whole.length; most += 1) {
      t.equal(cutText(`ab${whole}c`, 2 + most), 'ab', `${whole} after ${most}`)
      t.equal(cutText(`${'x'.repeat(200)}${whole}c`, 200 + most), 'x'.repeat(200))
    }
    t.equal(cutText(`ab${whole}c`, 2 + whole.length), `ab${whole}`)
  }
})

t.test('overlong graphemes are cut between code points, quickly', async t => {
  const stacked = `a${'\u0301'.repeat(500_000)}`
  const begun = performance.now()
  t.equal(cutText(stacked, 1000).length, 1000)
  const emoji = '😀\u200d'.repeat(100_000)
  for (const most of [100, 101, 102, 103]) t.notMatch(cutText(emoji, most), /\p{Surrogate}/u, `${most}`)
  t.ok(performance.now() - begun < 1000)
})

t.test('nested values and JSON texts are cleaned', async t => {
  const value = { 'na\u0000me': [`a${HIGH}`, { b: 'x\ny' }], n: 1, none: null, is: true }
  const clean = { name: ['a', { b: 'x y' }], n: 1, none: null, is: true }
  t.same(cleaned(value), clean)
  t.same(JSON.parse(cleanJson(JSON.stringify(value))), clean)
  t.same(JSON.parse(cleanJson(JSON.stringify(value), { keepsLines: true })), { ...clean, name: ['a', { b: 'x\ny' }] })
  const backslashes = { path: 'C:\\new\\ud83d', quote: 'say "\\"', slash: '</b>', emoji: '😀', c1: 'a\u009bb' }
  t.same(JSON.parse(cleanJson(JSON.stringify(backslashes))), { ...backslashes, c1: 'ab' })
})

t.test('an emitted task is always clean', async t => {
  const head = {
    id: 'i',
    run: 'r',
    mailbox: 'gmail:ana@example.com',
    at: 1,
    attempt: 0,
    lane: 'live',
  } as const
  const messages = [{ text: 'Hello,\n\n\tten\u0007 past three.\r\n' }]
  const participants = [{ name: 'B\u001bo', address: '' }]
  const body = { subject: `See you ${HIGH}`, labels: ['a\u0000b'], participants, messages }
  const text = encodeEntry(analysisTasks, [{ ...head, body }])
  t.same(JSON.parse(text).body, {
    subject: 'See you ',
    labels: ['ab'],
    participants: [{ name: 'Bo', address: '' }],
    messages: [{ text: 'Hello,\n\n\tten past three. \n' }],
  })
})

t.test('an error quotes no control characters and at most a page', async t => {
  const { message } = new MailError('rejected', `refused: ${HIGH}\u001b]0;x\u0007${'y'.repeat(100_000)}`)
  t.match(message, /^refused: \]0;xy+$/)
  t.equal(message.length, 4000)
})
