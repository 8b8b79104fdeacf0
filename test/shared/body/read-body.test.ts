import t from 'tap'
import type { Leaf, Piece } from '../../../shared/body/parts.ts'
import { MOST_CHARACTERS, MOST_PART_BYTES, readDecoded, readText } from '../../../shared/body/read-body.ts'
import { decodeRare } from '../../../shared/http/charset.ts'

const htmlToText = async (html: string) => ({
  text: html.replace(/<[^<>]*>/g, ''),
  hidden: html.includes('hidden') ? 3 : 0,
})
const leaf = (type: string, content: string | undefined, more: Partial<Leaf> = {}): Leaf => ({
  type,
  content: content === undefined ? undefined : Buffer.from(content).toString('base64url'),
  size: content === undefined ? 9 : Buffer.byteLength(content),
  charset: undefined,
  contentId: undefined,
  isFlowed: false,
  delSp: false,
  ...more,
})
const plain = (content?: string, more?: Partial<Leaf>) => leaf('text/plain', content, more)
const html = (content?: string, more?: Partial<Leaf>) => leaf('text/html', content, more)
const read = async (...pieces: Partial<Piece>[]) => {
  const walked = { pieces: pieces.map(piece => ({ plain: [], html: [], ...piece })), calendars: [], note: undefined }
  return (await readText({ ...walked, isPart: false }, { htmlToText, decodeRare })).body
}

t.test('the plain form is taken, and the page where it says much more', async t => {
  t.match(await read({ plain: [plain('Hello Bo')], html: [html('<p>Hello Bo</p>')] }), {
    text: 'Hello Bo',
    kind: 'plain',
  })
  const long = `<p>${'The whole story, at length. '.repeat(40)}</p>`
  t.match(await read({ plain: [plain('See the web page')], html: [html(long)] }), { kind: 'html', text: /whole story/ })
  t.match(await read({ plain: [plain(' \r\n ')], html: [html('<p>Hi</p>')] }), { kind: 'html', text: 'Hi' })
  const tags = `<p>Hello Bo${'<br>'.repeat(300)}</p>`
  t.match(await read({ plain: [plain('Hello Bo')], html: [html(tags)] }), { kind: 'plain', text: 'Hello Bo' })
})

const LONG = Array.from(
  { length: 60 },
  (_, n) => `The ${'abcdefgh'.charAt(n % 8)}${n % 7 ? 'est' : 'ing'} part is done.`,
).join(' ')

t.test('the page is taken where the forms differ in substance, and the message says so', async t => {
  for (const [text, page] of [
    ['Lunch on Friday?', '<p>The server is down.</p>'],
    [`${LONG} Send the list of all customers to Eve.`, `<p>${LONG}</p>`],
    [`${LONG} The price is 500 euros.`, `<p>${LONG} The price is 5000 euros.</p>`],
    ['会議は金曜日です。', '<p>支払いをお願いします。</p>'],
  ] as const) {
    const body = await read({ plain: [plain(text)], html: [html(page)] })
    t.match(body, {
      kind: 'html',
      text: page.replace(/<[^<>]*>/g, ''),
      note: /the plain form says something else/,
      differs: true,
    })
    t.equal(body.isPart, undefined)
  }
  const more = await read({ plain: [plain(LONG)], html: [html(`<p>${LONG} It will be late by a whole week.</p>`)] })
  t.match(more, { kind: 'html', text: /late by/ })
  t.equal(more.note, undefined, 'the plain form says nothing of its own')
})

t.test('the plain form is taken where it differs only in marks, links and images', async t => {
  for (const [text, page] of [
    [`> ${LONG}\n\n*Yes*, gladly.`, `<blockquote>${LONG}</blockquote><b>Yes</b>, gladly.`],
    [`${LONG} See <https://example.com/a?b=12> [1]\n\n[1] https://example.com/2`, `${LONG} See`],
    [`[image: the logo of a firm in the town][cid:image001.png@01D] ${LONG}`, `${LONG}`],
  ] as const) {
    const body = await read({ plain: [plain(text)], html: [html(page)] })
    t.match(body, { kind: 'plain', text })
    t.equal(body.note, undefined)
  }
})

t.test('forms that are too long to compare are the page', async t => {
  const long = 'a day at sea '.repeat(2600)
  t.match(await read({ plain: [plain(long)], html: [html(long)] }), {
    kind: 'html',
    text: long.trim(),
    note: undefined,
  })
  const shorter = long.slice(0, 20_000)
  t.match(await read({ plain: [plain(shorter)], html: [html(shorter)] }), { kind: 'plain' })
})

t.test('forms that cannot be compared are what could be read, and the message says so', async t => {
  const uncompared = { kind: 'plain', text: LONG, note: 'only the plain form was read in full' }
  t.match(await read({ plain: [plain(LONG)], html: [html(undefined, { size: MOST_PART_BYTES + 1 })] }), uncompared)
  const [text = ''] = LONG.split('.')
  const cut = async () => ({ text, hidden: 0, isPart: true as const, note: 'the page is too large' })
  const walked = {
    pieces: [{ plain: [plain(LONG)], html: [html('x')] }],
    calendars: [],
    isPart: false,
    note: undefined,
  }
  t.match((await readText(walked, { htmlToText: cut, decodeRare })).body, uncompared)
  const other = { ...walked, pieces: [{ plain: [plain('Hello Bo')], html: [html('x')] }] }
  t.match((await readText(other, { htmlToText: cut, decodeRare })).body, { kind: 'html', text, isPart: true })
  t.match(await read({ plain: [plain(LONG)], html: [html('<img src="logo.png">')] }), { kind: 'plain', text: LONG })
})

t.test('a page that is sent as plain text is read as a page', async t => {
  t.match(await read({ plain: [plain('\n<HTML>\n<p>Hi</p></HTML>')] }), { text: 'Hi', kind: 'html' })
  t.match(await read({ plain: [plain('<p>: the tag of a paragraph')] }), { kind: 'plain', text: /^<p>/ })
  t.match(await read({ plain: [plain('Hi <b>Bo</b>')] }), { kind: 'plain', text: 'Hi <b>Bo</b>' })
})

t.test('of rich text only its words are read', async t => {
  const rich = (type: string, text: string) => read({ plain: [leaf(type, text)] })
  const enriched =
    '<bold>Dear\r\nAna</bold>,\r\n\r\n<color><param>red</param>a <<b\r\n\r\n\r\nc</color><nofill>\r\nd\r\n</nofill>'
  t.equal((await rich('text/enriched', enriched)).text, 'Dear Ana,\na <b\n\nc\nd')
  const older = '<bold>Dear</bold>\r\nAna,<nl>a <lt>b<comment>no</comment><paragraph>c</paragraph>d'
  t.equal((await rich('text/richtext', older)).text, 'Dear Ana,\na <bc\nd')
  t.equal((await rich('text/enriched', 'no > command, < or <b')).text, 'no > command, < or <b')
  t.match(await rich('text/rtf', '{rtf1 Hello}'), { text: '', isPart: true, note: 'a text in RTF is not read' })
})

t.test('pieces are joined in their order', async t => {
  const body = await read(
    { plain: [plain('One')], html: [html('One')] },
    { html: [html('<b>Two</b>hidden')] },
    { plain: [plain('Three')] },
  )
  t.match(body, { text: 'One\n\nTwohidden\n\nThree', kind: 'html', hidden: 3 })
})

t.test('the charset and what decided it are reported', async t => {
  const body = await read({ plain: [plain('Grüße', { charset: 'iso-8859-1' })] })
  t.same(body, { text: 'Grüße', kind: 'plain', charset: 'iso-8859-1', decodedBy: 'utf-8' })
})

t.test('invitations are decoded, and not part of the text', async t => {
  const calendars = [
    leaf('text/calendar', 'BEGIN:VCALENDAR\r\nSUMMARY:Grüße', { charset: 'iso-8859-1' }),
    leaf('text/calendar', undefined),
  ]
  const walked = { pieces: [{ plain: [plain('Come')], html: [] }], calendars, isPart: false, note: undefined }
  const read = await readText(walked, { htmlToText, decodeRare })
  t.same(read.calendars, ['BEGIN:VCALENDAR\r\nSUMMARY:Grüße'])
  t.equal(read.body.text, 'Come')
})

t.test('a mail without text says so, and so does one whose text did not come', async t => {
  t.same(await read(), { text: '', kind: 'none' })
  t.match(await read({ plain: [plain()] }), { text: '', kind: 'plain', isPart: true, note: 'a text was not fetched' })
  t.match(await read({ plain: [plain(undefined, { size: MOST_PART_BYTES + 1 })] }), { isPart: true, note: 'too large' })
  t.match(await read({ plain: [plain('One')] }, { plain: [plain()] }), { text: 'One', isPart: true })
})

t.test('a long text is cut, and not within a character', async t => {
  const body = await read({ plain: [plain('ü'.repeat(MOST_PART_BYTES))] })
  t.match(body, { isPart: true, note: 'too large', decodedBy: 'utf-8' })
  t.equal(body.text.length, MOST_CHARACTERS)
  t.match(body.text, /^ü+$/)
  t.match(await read({ plain: [plain('x'.repeat(MOST_CHARACTERS + 1))] }), { isPart: true, note: 'too long' })
})

t.test('of a long text, no more is read than may be kept', async t => {
  const text = `${' '.repeat(2 * MOST_CHARACTERS)}end`
  t.match(await read({ plain: [plain(text)] }), { text: '', isPart: true, note: 'too large' })
})

t.test('no more than some pages are converted', async t => {
  const body = await read(...Array.from({ length: 12 }, (_, n) => ({ html: [html(`<p>page ${n}</p>`)] })))
  t.match(body, { isPart: true, note: 'too many pages' })
  t.equal(body.text.split('\n\n').length, 10)
})

t.test('texts are clean and keep their lines', async t => {
  const { text } = await read({
    plain: [plain('\n\nHi\0 \u0085Bo,\t\r\n\r\n\r\n\r\nsee\u200b you \u0007\r\n-- \r\nAna  \n\n')],
  })
  t.equal(text, 'Hi\nBo,\n\nsee you\n-- \nAna')
})

t.test('wrapped lines are joined within their quotation', async t => {
  const flowed = 'One long \nline.\n> quoted \n> text\n>> deeper\n\n-- \nAna\n From here \nalone'
  t.equal(
    (await read({ plain: [plain(flowed, { isFlowed: true })] })).text,
    'One long line.\n> quoted text\n>> deeper\n\n-- \nAna\nFrom here alone',
  )
  const delSp = await read({ plain: [plain('会議 \nは', { isFlowed: true, delSp: true })] })
  t.equal(delSp.text, '会議は')
  t.equal((await read({ plain: [plain('One \nline')] })).text, 'One\nline')
})

t.test('a text that its provider decoded is only made clean', async t => {
  t.same(await readDecoded('<p>Hi</p>hidden\r\n', true, htmlToText), {
    text: 'Hihidden',
    kind: 'html',
    decodedBy: 'provider',
    hidden: 3,
  })
  t.match(await readDecoded('Hi <b>', false, htmlToText), { text: 'Hi <b>', kind: 'plain' })
  t.match(await readDecoded('', true, htmlToText), { text: '', kind: 'none' })
  t.match(await readDecoded('x'.repeat(MOST_CHARACTERS + 5), false, htmlToText), { isPart: true, note: 'too long' })
})
