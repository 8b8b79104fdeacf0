import iconv from 'iconv-lite'
import t from 'tap'
import { decodeText } from '../../../shared/body/decode.ts'
import { decodeRare } from '../../../shared/http/charset.ts'

const LANGUAGES = {
  danish: 'Kære Søren, vi mødes på åen kl. 9 – æblerne er røde.',
  german: 'Sehr geehrte Frau Müller, die Größe paßt, Grüße aus Köln.',
  japanese: 'お世話になっております。会議は木曜日の午後三時からです。',
  chinese: '您好，会议改到星期四下午三点，请确认收到。',
  korean: '안녕하세요. 회의는 목요일 오후 세 시에 시작합니다.',
  arabic: 'مرحبا، الاجتماع يوم الخميس الساعة الثالثة بعد الظهر.',
  hebrew: 'שלום, הפגישה ביום חמישי בשלוש אחר הצהריים.',
  thai: 'สวัสดีครับ การประชุมคือวันพฤหัสบดีเวลาบ่ายสามโมง',
}
const decode = (bytes: Uint8Array, charset?: string, isHtml = false) =>
  decodeText(bytes, { charset, isHtml }, decodeRare)

// What ISO 2022 and hz write: the EUC form of the same characters without its high bits.
const sevenBit = (text: string, euc: string) => Buffer.from(iconv.encode(text, euc)).map(byte => byte & 0x7f)
const inJapanese = (text: string) =>
  Buffer.concat([Buffer.from('\x1b$B'), sevenBit(text, 'euc-jp'), Buffer.from('\x1b(B')])

const DECLARED: [language: keyof typeof LANGUAGES, charset: string, encoder?: string][] = [
  ['danish', 'iso-8859-1', 'windows-1252'],
  ['danish', 'windows-1252'],
  ['german', 'ISO-8859-15'],
  ['japanese', 'Shift_JIS'],
  ['japanese', 'euc-jp'],
  ['chinese', 'GB18030'],
  ['chinese', 'gb2312', 'gbk'],
  ['chinese', '"big5"'],
  ['korean', 'euc-kr'],
  ['korean', 'ks_c_5601-1987', 'euc-kr'],
  ['arabic', 'windows-1256'],
  ['hebrew', 'windows-1255'],
  ['hebrew', 'ISO-8859-8-I*he', 'iso-8859-8'],
  ['thai', 'tis-620', 'windows-874'],
]

for (const [language, charset, encoder = charset.replaceAll('"', '')] of DECLARED) {
  t.test(`${language} in ${charset} is decoded as declared`, async t => {
    // Traditional Chinese has other characters for some of these.
    const text = charset.includes('big5') ? '您好，明天下午三點見' : LANGUAGES[language]
    t.same(decode(iconv.encode(text, encoder), charset), { text: unaccented(text, encoder), decodedBy: 'declared' })
  })
}

// An encoder replaces what its charset lacks.
function unaccented(text: string, encoder: string): string {
  return iconv.decode(iconv.encode(text, encoder), encoder)
}

t.test('text that is UTF-8 is decoded as such, whatever charset the header kept', async t => {
  for (const text of Object.values(LANGUAGES)) {
    for (const charset of [
      undefined,
      'utf-8',
      'iso-8859-1',
      'gb2312',
      'shift_jis',
      'iso-2022-jp',
      'koi8-r',
      'nonsense',
    ])
      t.same(decode(Buffer.from(text), charset), { text, decodedBy: 'utf-8' }, `${charset}`)
  }
})

t.test('a mark of the byte order is no part of the text', async t => {
  t.same(decode(Buffer.from('\ufeffHi'), 'utf-8'), { text: 'Hi', decodedBy: 'utf-8' })
})

t.test('ISO-2022-JP is found by its escapes, although it is valid UTF-8', async t => {
  const text = LANGUAGES.japanese
  for (const charset of ['iso-2022-jp', 'us-ascii', 'utf-8', undefined])
    t.same(decode(inJapanese(text), charset), { text, decodedBy: 'escapes' }, `${charset}`)
  const mixed = Buffer.concat([Buffer.from('Hi '), inJapanese('会議'), Buffer.from(' at 3\n'), inJapanese('木曜日')])
  t.equal(decode(mixed).text, 'Hi 会議 at 3\n木曜日')
})

t.test('the other character sets of ISO 2022 are known', async t => {
  const escaped = (...parts: (string | Uint8Array)[]) => Buffer.concat(parts.map(part => Buffer.from(part)))
  const korean = escaped('\x1b$)C\nHi \x0e', sevenBit('회의', 'euc-kr'), '\x0f!\n')
  t.same(decode(korean, 'iso-2022-kr'), { text: '\nHi 회의!\n', decodedBy: 'escapes' })
  const chinese = escaped('\x1b$)A\x0e', sevenBit('会议', 'gbk'), '\x0f.')
  t.equal(decode(chinese, 'iso-2022-cn').text, '会议.')
  t.equal(decode(escaped('\x1b(I6E\x1b(B.'), 'iso-2022-jp').text, 'ｶﾅ.')
  t.equal(decode(escaped('\x1b$(D0!\x1b(B'), 'iso-2022-jp-1').text, '丂')
  t.equal(decode(escaped('~{', sevenBit('会议', 'gbk'), '~} ~~ \n'), 'hz-gb-2312').text, '会议 ~ \n')
})

t.test('a line of ISO-2022-JP without its end does not spoil the next', async t => {
  const text = Buffer.concat([Buffer.from('\x1b$B'), sevenBit('会議', 'euc-jp'), Buffer.from('\nThursday at 3\n')])
  t.equal(decode(text, 'iso-2022-jp').text, '会議\nThursday at 3\n')
})

t.test('colours of a terminal are no charset', async t => {
  t.equal(decode(Buffer.from('\x1b[1mbold\x1b[0m\x1b(B')).decodedBy, 'utf-8')
})

t.test('charsets that Node.js lacks are decoded by their name', async t => {
  for (const charset of ['cp850', 'cp437']) {
    const text = 'Grüße, Søren'.replace('ø', charset === 'cp437' ? 'o' : 'ø')
    t.same(decode(iconv.encode(text, charset), charset), { text, decodedBy: 'iconv' })
  }
  t.same(decode(Buffer.from('Hi Mom -+Jjo--!'), 'utf-7'), { text: 'Hi Mom -☺-!', decodedBy: 'iconv' })
  t.equal(decode(Buffer.from('1 + 1 = 2'), 'utf-7').decodedBy, 'utf-8')
})

t.test('UTF-16 is decoded in either byte order, with and without a mark', async t => {
  for (const encoder of ['utf-16le', 'utf-16be']) {
    const text = 'Hi, Grüße'
    t.equal(decode(iconv.encode(text, encoder), encoder).text, text)
    t.equal(decode(iconv.encode(text, encoder, { addBOM: true }), 'utf-16').text, text)
  }
})

t.test('bytes in no declared charset are western', async t => {
  const bytes = iconv.encode(LANGUAGES.danish, 'windows-1252')
  for (const charset of [undefined, '', 'us-ascii', 'unknown-8bit', 'x-nonsense', 'utf-8'])
    t.same(decode(bytes, charset), { text: LANGUAGES.danish, decodedBy: 'windows-1252' }, `${charset}`)
})

t.test('one broken byte does not spoil the rest', async t => {
  const utf8 = Buffer.concat([Buffer.from(LANGUAGES.german), Buffer.from([0xfc]), Buffer.from(LANGUAGES.danish)])
  for (const charset of ['utf-8', 'iso-8859-1', undefined])
    t.same(decode(utf8, charset), { text: `${LANGUAGES.german}ü${LANGUAGES.danish}`, decodedBy: 'utf-8' })
  // Too long, a surrogate, too short, beyond Unicode.
  const wrong = [0xe0, 0x80, 0x80, 0x20, 0xed, 0xa0, 0x80, 0x20, 0xe2, 0x82, 0x20, 0xf5, 0x80, 0x80, 0x80]
  const mixed = Buffer.concat([...Array.from({ length: 20 }, () => Buffer.from('ä')), Buffer.from(wrong)])
  t.equal(decode(mixed, 'utf-8').text, `${'ä'.repeat(20)}à€€ í\u00a0€ â‚ õ€€€`)
  const japanese = Buffer.concat([iconv.encode(LANGUAGES.japanese, 'shift_jis'), Buffer.from([0xff, 0x0a])])
  t.same(decode(japanese, 'shift_jis'), { text: `${LANGUAGES.japanese}\ufffd\n`, decodedBy: 'declared' })
})

t.test('a page declares its own charset where the mail does not', async t => {
  const page = iconv.encode(`<html><head><meta charset="windows-1256"></head>${LANGUAGES.arabic}`, 'windows-1256')
  t.match(decode(page, undefined, true), { text: new RegExp(`${LANGUAGES.arabic}$`), decodedBy: 'declared' })
  t.equal(decode(page, undefined).decodedBy, 'windows-1252')
  t.equal(decode(page, 'iso-8859-1', true).text.includes(LANGUAGES.arabic), false)
})
