import t, { type Test } from 'tap'
import { mailAt, memoryMailbox, type SimMail, type SimMailbox } from '../../sim/mailbox.ts'
import { loadMail } from '../../sim/mbox.ts'
import { corpus } from '../sim/client.ts'
import { readBoth, type Written } from '../support/both.ts'

const bytes = (text: string) => Buffer.from(text, 'latin1')
const person = (name: string, address: string) => ({ name, address })
const b64 = (text: string | Buffer) => Buffer.from(text).toString('base64')

/** Headers and text of a mail in bytes, and the result at both providers. */
type Case = [what: string, mail: string, right: Partial<Written>]

const from = (value: string, ...people: Written['from']): Case => [value, `From: ${value}\n\n`, { from: people }]
const to = (value: string, ...people: Written['to']): Case => [
  value,
  `From: a@example.com\nTo: ${value}\n\n`,
  { to: people },
]

const LAST_FIRST = person('Last, First', 'a@example.com')
const PEOPLE: Case[] = [
  from('=?iso-8859-1?Q?Last=2C_First?= <a@example.com>', LAST_FIRST),
  from('=?iso-8859-1?Q?Last=2C?= First <a@example.com>', LAST_FIRST),
  from('"=?iso-8859-1?Q?Last=2C_First?=" <a@example.com>', LAST_FIRST),
  from('=?utf-8?Q?Last, First?= <a@example.com>', LAST_FIRST),
  from('=?utf-8?Q?Last=2C_First_<a=40example=2Ecom>?=', LAST_FIRST),
  from(`=?utf-8?B?${b64('Last, First')}?=\n\t<a@example.com>`, LAST_FIRST),
  from('Last, First <a@example.com>', LAST_FIRST),
  from('a@example.com (=?utf-8?Q?Last=2C_=28First=29?=)', LAST_FIRST),
  from('=?utf-8?Q?Re=3A_Team?= <a@example.com>', person('Re: Team', 'a@example.com')),
  from('=?utf-8?Q?Bo_=22the_bo=22_By?= <a@example.com>', person('Bo "the bo" By', 'a@example.com')),
  from('"Bo \\"the, bo\\" By" <a@example.com>', person('Bo "the, bo" By', 'a@example.com')),
  from('=?utf-8?Q?ceo=40bank=2Eexample?= <a@evil.example>', person('ceo@bank.example', 'a@evil.example')),
  from('=?utf-8?Q?CEO_<ceo=40bank=2Eexample>?= <a@evil.example>', person('CEO <ceo@bank.example>', 'a@evil.example')),
  from('=?utf-8?Q?ceo=40bank=2Eexample?=', person('ceo@bank.example', '')),
  from(
    '=?utf-8?Q?M=C3?= =?utf-8?Q?=BCller=2C_B?= =?utf-8?B?bw==?= <a@example.com>',
    person('Müller, Bo', 'a@example.com'),
  ),
  from('"Bo <a@example.com>', person('Bo', 'a@example.com')),
  from('Bo (at work <a@example.com>', person('Bo at work', 'a@example.com')),
  from('<@relay.example:a@example.com>', person('', 'a@example.com')),
  from('Bo <A@Example.COM>', person('Bo', 'A@Example.COM')),
  from('"a@example.com" <A@example.com>', person('', 'A@example.com')),
  from("'a@example.com' <a@example.com>", person('', 'a@example.com')),
  from('"bo by"@example.com', person('', '"bo by"@example.com')),
  from('root', person('root', '')),
  from('<root>', person('root', '')),
  from('Bo By', person('Bo By', '')),
  from('<Bo By>', person('Bo By', '')),
  from('Bo <root>', person('Bo', 'root')),
  from('Bo <bo@>', person('Bo', '')),
  from('=?utf-8?Q?Bo?=', person('Bo', '')),
  from('Board: Ana <ana@example.com>, bo@example.com;', person('Ana', 'ana@example.com')),
  from('a@example.com, b@example.com', person('', 'a@example.com')),
  from('a@example.com\nFrom: b@example.com', person('', 'a@example.com')),
  from('\nFrom: b@example.com', person('', 'b@example.com')),
  to('undisclosed-recipients:;'),
  to(
    'Team: Cy <cy@example.com>, di@example.com; ed@example.com',
    person('Cy', 'cy@example.com'),
    person('', 'di@example.com'),
    person('', 'ed@example.com'),
  ),
  to('=?utf-8?Q?Team=3A_all?=: Cy <cy@example.com>;', person('Cy', 'cy@example.com')),
  to('Outer: Inner: cy@example.com;, di@example.com;', person('', 'cy@example.com'), person('', 'di@example.com')),
  to('cy@example.com\nTo: di@example.com', person('', 'cy@example.com'), person('', 'di@example.com')),
  to('root, Cy <cy@example.com>', person('root', ''), person('Cy', 'cy@example.com')),
  to(
    'Müller, Jörg <j@example.com>, cy@example.com',
    person('Müller, Jörg', 'j@example.com'),
    person('', 'cy@example.com'),
  ),
  to('cy@example.com; di@example.com', person('', 'cy@example.com'), person('', 'di@example.com')),
  to(', ,<>, ;', ...[]),
  [
    'cc',
    'From: a@example.com\nCc: =?utf-8?Q?Last=2C_First?=\n  <a@example.com>,\n\tb@example.com\n\n',
    { cc: [LAST_FIRST, person('', 'b@example.com')] },
  ],
]

const subject = (value: string, right: string, unreadable?: Written['unreadable']): Case => [
  value,
  `Subject: ${value}\n\n`,
  { subject: right, ...(unreadable ? { unreadable } : {}) },
]
const inCharset = (charset: string, value: string, right: string): Case => [
  `${charset}: ${value}`,
  `Subject: ${value}\nContent-Type: text/plain; charset=${charset}\n\n`,
  { subject: right },
]
const CYRILLIC = '\xcf\xf0\xe8\xe2\xe5\xf2'

const SUBJECTS: Case[] = [
  subject('=?UTF-8?B?R3LDvMOf?=\n =?UTF-8?Q?e?=', 'Grüße'),
  subject('=?utf-8?Q?M=C3?=\n\t=?utf-8?Q?=BCnchen?=', 'München'),
  subject('=?utf-8*de?Q?M=C3=BCnchen?=', 'München'),
  subject('=?utf-8?B?TcM=?= =?utf-8?B?vG5jaGVu?=', 'München'),
  subject('=?utf-8?B?TcO8bmNo=ZW4=?=', 'München'),
  subject('=?utf-7?Q?M+APw-nchen?=', 'München'),
  subject('=?unicode-1-1-utf-7?Q?Hi_Mom_+Jjo-!?=', 'Hi Mom ☺!'),
  subject('=?cp850?Q?M=81nchen?=', 'München'),
  subject('=?x-unknown?Q?M=FCnchen?=', 'München'),
  subject('=?x-unknown?Q?M=C3=BCnchen?=', 'München'),
  subject('=?utf-8?Q?M=FCnchen?=', 'München'),
  subject('=?ks_c_5601-1987?B?x9Gx2w==?=', '한글'),
  subject('=?iso-2022-jp?B?GyRCJDMbKEI=?= =?iso-2022-jp?B?GyRCJHMbKEI=?=', 'こん'),
  subject('\x1b$B$3$s\x1b(B', 'こん'),
  subject('=?utf-8?Q?What??=', 'What?'),
  subject('=?utf-8?Q?Hello World?=', 'Hello World'),
  subject('=?utf-8?Q?M=C3=BCnch', 'Münch'),
  subject('=?utf-8?Q?M=C3=BCn =?utf-8?Q?chen?=', 'München'),
  subject(`=?utf-8?B?${b64('Lang '.repeat(400))}?=`, 'Lang '.repeat(400).trim()),
  subject('a =?utf-8?Q?b?= c =?utf-8?Q?d?=', 'a b c d'),
  subject('M\xfcnchen', 'München'),
  subject('M\xc3\xbcnchen', 'München'),
  subject('first\nSubject: second', 'first'),
  subject('\nSubject: second', 'second'),
  inCharset('windows-1251', CYRILLIC, 'Привет'),
  inCharset('windows-1252', CYRILLIC, 'Ïðèâåò'),
  inCharset('shift_jis', '\x82\xb1\x82\xf1', 'こん'),
  subject(CYRILLIC, '', ['subject']),
  subject('=?x-klingon?Q?=CF=F0=E8=E2=E5=F2?=', '', ['subject']),
  subject(`Re: a long answer about ${CYRILLIC}`, `Re: a long answer about ${'\ufffd'.repeat(6)}`, ['subject']),
  [
    'a name',
    `From: ${CYRILLIC} <a@example.com>\nSubject: x\n\n`,
    { from: [person('', 'a@example.com')], unreadable: ['from'] },
  ],
]

const body = (headers: string, text: string, snippet: string, unreadable?: Written['unreadable']): Case => [
  `${headers} ${text}`,
  `Subject: x\n${headers}\n\n${text}`,
  { snippet, ...(unreadable ? { unreadable } : {}) },
]
const part = (headers: string, text: string) => `--b\n${headers}\n\n${text}\n`
const BODIES: Case[] = [
  body('Content-Type: text/plain; charset=utf-7', 'M+APw-nchen', 'München'),
  body('Content-Type: text/plain; charset="ISO-8859-15"', '5 \xa4', '5 €'),
  body('Content-Type: text/plain; charset*0=win; charset*1=dows-1251', CYRILLIC, 'Привет'),
  body("Content-Type: text/plain; charset*=us-ascii'en'windows-1251", CYRILLIC, 'Привет'),
  body('Content-Type: text/plain; charset=x-klingon', `${CYRILLIC} ${CYRILLIC}`, '', ['snippet']),
  body('Content-Type: text/plain; charset=us-ascii', 'M\xfcnchen', 'München'),
  body('Content-Type: text/html', '<meta charset="windows-1251"><p>\xcf\xf0\xe8\xe2\xe5\xf2</p>', 'Привет'),
  body('Content-Transfer-Encoding: base64', 'Hello, this is no base64.', 'Hello, this is no base64.'),
  body('Content-Transfer-Encoding: base64', `${b64('Hello there.')}\n_____\nA list's footer.`, 'Hello there.'),
  body('Content-Transfer-Encoding: x-uuencode', 'begin 644 a.txt\n#86)C\n`\nend', ''),
  body(
    'Content-Type: multipart/mixed; boundary=other',
    `${part('Content-Type: text/plain', 'Hello there.')}--b--`,
    'Hello there.',
  ),
  body(
    'Content-Type: multipart/alternative',
    `${part('Content-Type: text/plain', 'Hello there.')}--b--`,
    'Hello there.',
  ),
  body(
    'Content-Type: multipart/mixed\n boundary=b',
    `${part('Content-Type: text/plain', 'Hello there.')}--b--`,
    'Hello there.',
  ),
  body(
    'Content-Type: multipart/mixed; boundary="a_ \n b"',
    `--a_ \n b\nContent-Type: text/plain\n\nHello there.\n`,
    '',
  ),
  body('Content-Type: text/plain; charset=big5', '\xa7A\xa6n, \xa7A\xa6n\xa7\r, hello', '你好, 你好\ufffd , hello', [
    'snippet',
  ]),
  body('Content-Type: text/plain; charset=CHINESEBIG5', '\xa7A\xa6n', '你好'),
  body('Content-Type: multipart/mixed; boundary=b', part('Content-Type: text/plain', 'Never closed.'), 'Never closed.'),
  body('Content-Type: multipart/mixed', 'No parts at all.', 'No parts at all.'),
]

async function compare(t: Test, cases: readonly Case[]) {
  const mailbox = memoryMailbox(
    'ana@example.com',
    cases.map(([, mail]) => ({ raw: bytes(mail) })),
  )
  const { gmail, outlook } = await readBoth(t, mailbox)
  for (const [index, [what, , right]] of cases.entries()) {
    const pick = (written: Written | undefined) =>
      Object.fromEntries(Object.keys({ ...right, unreadable: 0 }).map(key => [key, written?.[key as keyof Written]]))
    t.strictSame(pick(gmail[index]), { unreadable: undefined, ...right }, `Gmail: ${what}`)
    t.strictSame(outlook[index], gmail[index], `Outlook: ${what}`)
  }
}

t.test('addresses are parsed before encoded words are decoded', t => compare(t, PEOPLE))
t.test('a subject is decoded from any charset, or is empty and marked', t => compare(t, SUBJECTS))
t.test('a snippet is the text of the mail, never its source', t => compare(t, BODIES))

const isWellFormed = (text: string) => Buffer.from(text, 'utf8').toString('utf8') === text
const SOURCE = /=\?[^?\s]+\?[bq]\?/i

// From thousands of mails: those with bytes or encoded words in their headers, and a sample of the others.
async function oddOnes(mailbox: SimMailbox): Promise<SimMailbox> {
  const kept: SimMail[] = []
  for (let index = 0; index < mailbox.size; index++) {
    const mail = mailbox.message(index)
    const isOdd =
      mailbox.size < 500 ||
      index % 20 === 0 ||
      /^.{0,4000}?(?:=\?|[\x80-\xff])/s.test((await mail.read()).toString('latin1').split('\n\n', 1)[0] ?? '')
    if (isOdd) kept.push(mail)
  }
  return { address: mailbox.address, size: kept.length, message: index => mailAt(kept, index) }
}

for (const name of ['odd', 'mailing-list.mbox']) {
  const { path, skip } = corpus(name)
  t.test(`real mail is the same at both providers: ${name}`, { skip }, async t => {
    const { gmail, outlook } = await readBoth(t, await oddOnes(await loadMail(path)))
    let differing = 0
    for (const [index, written] of gmail.entries()) {
      const other = outlook[index]
      // Gmail's preview is the shorter one.
      for (const one of [written, other]) if (one) one.snippet = one.snippet.slice(0, 150)
      if (JSON.stringify(written) !== JSON.stringify(other)) {
        differing += 1
        t.strictSame(other, written, `mail ${index}`)
      }
      const people = [...written.from, ...written.to, ...written.cc]
      const texts = [written.subject, ...people.flatMap(({ name, address }) => [name, address])]
      if (texts.some(text => SOURCE.test(text) || !isWellFormed(text)))
        t.fail(`mail ${index} shows its source: ${JSON.stringify(texts)}`)
      if (people.some(({ address }) => /[\s,;<>]/.test(address.replace(/^"[^"]*"/, ''))))
        t.fail(`mail ${index}: ${JSON.stringify(people)}`)
      if (written.from.length > 1) t.fail(`mail ${index} is from several`)
    }
    t.equal(differing, 0)
    t.ok(gmail.length > 100)
  })
}
