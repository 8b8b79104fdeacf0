import { randomBytes } from 'node:crypto'
import t from 'tap'
import { compareForms } from '../../../shared/body/forms.ts'
import { type Leaf, walkParts } from '../../../shared/body/parts.ts'
import { MOST_CHARACTERS, MOST_PART_BYTES, readText } from '../../../shared/body/read-body.ts'
import { walkPayload } from '../../../shared/gmail/content.ts'
import { decodeRare } from '../../../shared/http/charset.ts'

// Of processor time, as tests share a machine.
const MOST_MS = 500
const ALL = MOST_PART_BYTES

const filled = (text: string | Uint8Array, length = ALL) => Buffer.alloc(length, text)
const TEXTS: [what: string, bytes: Uint8Array, more?: Partial<Leaf>][] = [
  ['one letter', filled('a')],
  ['ampersands', filled('&')],
  ['blanks', filled(' ')],
  ['blanks before line ends', filled(`${' '.repeat(1000)}x\n`)],
  ['line ends', filled('\r\n')],
  ['quotation marks', filled('>'), { isFlowed: true }],
  ['wrapped lines', filled('> a \n'), { isFlowed: true, delSp: true }],
  ['escapes', filled('\x1b')],
  ['escapes of a charset', filled('\x1b$B')],
  ['changes of the charset', filled('\x1b$B!!\x1b(Bx')],
  ['shifts', Buffer.concat([Buffer.from('\x1b$)C'), filled('\x0e\x0f')])],
  ['braces of hz', filled('~{'), { charset: 'hz-gb-2312' }],
  ['tildes of hz', Buffer.concat([Buffer.from('~{'), filled('~')]), { charset: 'hz-gb-2312' }],
  ['words of UTF-7', filled('+AGE'), { charset: 'utf-7' }],
  ['zeros in UTF-16', filled('\0'), { charset: 'utf-16' }],
  ['half characters', filled(Buffer.from([0xc3, 0xff]))],
  ['characters and broken bytes', filled(Buffer.from([0xc3, 0xa6, 0xc3, 0xa6, 0xff])), { charset: 'utf-8' }],
  ['open tags', filled('<p'), { type: 'text/html' }],
  ['open declarations', filled('<meta charset'), { type: 'text/html' }],
  ['a page in plain text', filled('<p >')],
  ...['utf-8', 'gb18030', 'shift_jis', 'euc-kr', 'big5', 'utf-7', 'cp850', 'x-none'].map(
    (charset): [string, Uint8Array, Partial<Leaf>] => [`random bytes in ${charset}`, randomBytes(ALL), { charset }],
  ),
]

t.test('the forms of a text are compared in little time', async t => {
  const words = Array.from({ length: MOST_CHARACTERS / 5 }, (_, n) => n.toString(36).padStart(4, 'x')).join(' ')
  for (const text of [
    words,
    'a '.repeat(MOST_CHARACTERS / 2),
    '会'.repeat(MOST_CHARACTERS),
    '[image:'.repeat(28_000),
  ]) {
    const before = process.cpuUsage()
    compareForms(text, `${text} `)
    const tookMs = spentSince(before)
    t.ok(tookMs < MOST_MS, `${Math.round(tookMs)} ms`)
  }
})

for (const [what, bytes, more] of TEXTS) {
  t.test(`a text of ${what} is read in little time, and is clean`, async t => {
    const content = Buffer.from(bytes).toString('base64url')
    const leaf = {
      type: 'text/plain',
      charset: undefined,
      isFlowed: false,
      delSp: false,
      size: ALL,
      contentId: undefined,
    }
    const pieces = [{ plain: [{ ...leaf, content, ...more }], html: [] }]
    const htmlToText = async (html: string) => ({ text: html, hidden: 0 })
    const before = process.cpuUsage()
    const { body } = await readText(
      { pieces, calendars: [], isPart: false, note: undefined },
      { htmlToText, decodeRare },
    )
    const tookMs = spentSince(before)
    t.ok(tookMs < MOST_MS, `${Math.round(tookMs)} ms`)
    t.ok(body.text.length <= MOST_CHARACTERS)
    t.notMatch(body.text, /(?![\n\t])\p{Cc}|\p{Surrogate}/u)
  })
}

t.test('ten thousand parts are walked in little time', async t => {
  const parts = Array.from({ length: 10_000 }, (_, n) => ({
    mimeType: 'text/plain',
    filename: '',
    headers: [{ name: 'Content-Type', value: `text/plain; ${'a=b; '.repeat(100)}` }],
    body: { size: 1, data: 'YQ==' },
    partId: `${n}`,
  }))
  const before = process.cpuUsage()
  const walked = walkPayload({ mimeType: 'multipart/mixed', parts })
  t.ok(spentSince(before) < MOST_MS)
  t.match(walked, { isPart: true, note: 'too many parts' })
})

t.test('a payload of any shape is walked', async t => {
  const shapes = [undefined, null, 7, 'text', [], {}, { parts: 7 }, { parts: [null, 'x', { parts: {} }] }, { body: [] }]
  for (const payload of shapes) {
    const { pieces } = walkPayload(payload)
    t.ok(pieces.length <= 3, JSON.stringify(payload))
  }
  const own: Record<string, unknown> = { mimeType: 'multipart/mixed' }
  own.parts = [own, own]
  t.match(walkPayload(own), { isPart: true })
  t.match(
    walkParts('x', () => ({ ...EMPTY, type: 'multipart/mixed', parts: ['x', 'x'] })),
    { isPart: true, pieces: [] },
  )
})

function spentSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

const EMPTY = {
  name: '',
  charset: undefined,
  isFlowed: false,
  delSp: false,
  isAttached: false,
  size: 0,
  content: undefined,
  contentId: undefined,
}
