import t from 'tap'
import { type MailPart, walkParts } from '../../../shared/body/parts.ts'

interface Raw extends Partial<MailPart<Raw>> {
  type: string
}
const EMPTY = { name: '', charset: undefined, isFlowed: false, delSp: false, isAttached: false, size: 0 }
const walk = (root: Raw) =>
  walkParts<Raw>(root, raw => ({ ...EMPTY, content: undefined, contentId: undefined, parts: [], ...raw }))
const plain = (content: string, more: Partial<Raw> = {}): Raw => ({ type: 'text/plain', content, ...more })
const html = (content: string, more: Partial<Raw> = {}): Raw => ({ type: 'text/html', content, ...more })
const multi = (kind: string, ...parts: Raw[]): Raw => ({ type: `multipart/${kind}`, parts })
const file = (type: string, name: string, more: Partial<Raw> = {}): Raw => ({ type, name, size: 9, ...more })
const texts = ({ pieces }: ReturnType<typeof walk>) =>
  pieces.map(piece => [piece.plain, piece.html].map(leaves => leaves.map(({ content }) => content).join('+')))

t.test('both forms of an alternative are one piece', async t => {
  t.same(texts(walk(multi('alternative', plain('p'), html('h')))), [['p', 'h']])
  t.same(texts(walk(multi('alternative', plain('p'), multi('related', html('h'), file('image/png', 'logo.png'))))), [
    ['p', 'h'],
  ])
  t.same(texts(walk(multi('alternative', html('h'), plain('p')))), [['p', 'h']])
})

t.test('a text around files stays whole, in its order', async t => {
  const apple = multi('mixed', html('h1'), file('image/png', 'a.png'), html('h2'))
  t.same(texts(walk(multi('alternative', plain('p'), apple))), [['p', 'h1+h2']])
  const listed = multi('mixed', multi('alternative', plain('p'), html('h')), plain('footer'))
  t.same(texts(walk(listed)), [
    ['p', 'h'],
    ['footer', ''],
  ])
  t.same(texts(walk(multi('mixed', html('h'), plain('footer')))), [
    ['', 'h'],
    ['footer', ''],
  ])
})

t.test('files are named and not read', async t => {
  const walked = walk(
    multi(
      'mixed',
      plain('p'),
      file('text/plain', 'notes.txt', { content: 'n' }),
      plain('attached', { isAttached: true, size: 8 }),
      file('application/pdf', 'offer.pdf'),
      file('image/png', ''),
      { type: 'message/rfc822', size: 7, parts: [multi('mixed', plain('inner'), file('image/gif', 'in.gif'))] },
    ),
  )
  t.same(texts(walked), [['p', '']])
  t.same(walked.attachments, [
    { name: 'notes.txt', type: 'text/plain', size: 9 },
    { name: '', type: 'text/plain', size: 8 },
    { name: 'offer.pdf', type: 'application/pdf', size: 9 },
    { name: '', type: 'image/png', size: 9 },
    { name: '', type: 'message/rfc822', size: 7 },
  ])
  t.notOk(walked.isPart)
})

t.test('other forms of a text are neither text nor files', async t => {
  const walked = walk(multi('alternative', plain('p'), { type: 'text/x-amp-html', content: 'a' }, html('h')))
  t.same(texts(walked), [['p', 'h']])
  t.same(walked.attachments, [])
})

t.test('invitations are found, in the text or as a file', async t => {
  const inline = { type: 'text/calendar', content: 'BEGIN' }
  const walked = walk(
    multi('mixed', multi('alternative', plain('p'), inline), file('application/ics', 'invite.ics', { content: 'F' })),
  )
  t.same(
    walked.calendars.map(({ content }) => content),
    ['BEGIN', 'F'],
  )
  t.same(walked.attachments, [{ name: 'invite.ics', type: 'application/ics', size: 9 }])
})

t.test('a mail without other text is read in its named text or its attached mail', async t => {
  t.same(texts(walk(file('text/plain', 'mail.txt', { content: 'named' }))), [['named', '']])
  t.same(texts(walk(multi('mixed', { type: 'text/enriched', content: 'e' }))), [['e', '']])
  const forwarded = { type: 'message/rfc822', parts: [multi('alternative', plain('fp'), html('fh'))] }
  t.same(texts(walk(multi('mixed', forwarded))), [['fp', 'fh']])
  t.same(texts(walk({ type: 'message/rfc822', parts: [forwarded] })), [['fp', 'fh']], 'within another')
  t.same(texts(walk(multi('mixed', plain('attached', { isAttached: true })))), [])
})

t.test('hostile trees are cut, and say so', async t => {
  let deep = plain('deep')
  for (let level = 0; level < 100_000; level += 1) deep = multi('mixed', deep)
  t.match(walk(multi('mixed', plain('p'), deep)), { isPart: true, note: 'too many levels of parts' })
  t.same(texts(walk(multi('mixed', plain('p'), deep))), [['p', '']])
  const many = walk(multi('mixed', ...Array.from({ length: 10_000 }, (_, n) => plain(`${n}`))))
  t.match(many, { isPart: true, note: 'too many parts' })
  t.equal(many.pieces.length, 999)
  const files = walk(multi('mixed', plain('p'), ...Array.from({ length: 200 }, (_, n) => file('a/b', `${n}`))))
  t.match(files, { isPart: true, note: 'too many attachments' })
  t.equal(files.attachments.length, 100)
  let attached: Raw = plain('p')
  for (let level = 0; level < 100_000; level += 1) attached = { type: 'message/rfc822', parts: [attached] }
  t.match(walk(attached), { pieces: [] })
})
