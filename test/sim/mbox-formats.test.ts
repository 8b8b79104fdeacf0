import { writeFile } from 'node:fs/promises'
import t, { type Test } from 'tap'
import { loadMail } from '../../sim/mbox.ts'

const DATED = 'From bo@example.com Mon Jan  1 10:00:00 2024'
const TAKEOUT = (id: number) => `From ${id}@xxx Mon Jan 01 10:00:00 +0000 2024\nX-GM-THRID: ${id}`

async function read(t: Test, mbox: string): Promise<string[]> {
  const path = `${t.testdir({})}/a.mbox`
  await writeFile(path, mbox, 'latin1')
  const mailbox = await loadMail(path)
  const mails = Array.from({ length: mailbox.size }, (_, index) => mailbox.message(index))
  return Promise.all(mails.map(async mail => (await mail.read()).toString('latin1')))
}

const subjects = async (t: Test, mbox: string) =>
  (await read(t, mbox)).map(mail => /^Subject: (.*)$/m.exec(mail)?.[1] ?? mail)

const mail = (subject: string, text: string) =>
  `Subject: ${subject}\nDate: Mon, 1 Jan 2024 10:00:00 +0000\n\n${text}\n\n`

// Paragraphs that begin with "From " and start no mail.
const PARAGRAPHS = [
  'From my (non technical) end some queries:\n\n* latency',
  'From the desk of the chair, a note.',
  'From now on:\nNote: this is no header of a mail.',
  'From Berlin to Rome:\nTo: be seen\nnot a header',
  'From our call on Mon Jan  1 10:00:00 2024\nwe took these notes.',
  'From our call on Mon Jan  1 10:00:00 2024',
  `${DATED}\nis how each mail of an mbox begins.`,
  'From Mon to Fri 10:00 to 12:00',
  'From ',
  'From: Bo\nDate: Mon, 1 Jan 2024 10:00:00 +0000',
]

t.test('a paragraph that begins with From is not a mail', async t => {
  for (const paragraph of PARAGRAPHS) {
    const one = mail('one', `Hello,\n\n${paragraph}\n\nBye`)
    for (const [kind, begin] of Object.entries({
      mbox: () => `${DATED}\n`,
      takeout: (id: number) => `${TAKEOUT(id)}\n`,
    }))
      t.same(
        await subjects(t, `${begin(1)}${one}${begin(2)}${mail('two', 'Hi.')}`),
        ['one', 'two'],
        `${kind}: ${paragraph}`,
      )
  }
})

t.test('in a Takeout export, a separator without dated headers is text', async t => {
  for (const paragraph of [
    `${DATED}\n\nis how it begins`,
    'From Bo\nTo: Ana\nDate: Monday\nSubject: forwarded',
    `${TAKEOUT(7).split('\n')[0]}\n\nas above`,
  ]) {
    const mbox = `${TAKEOUT(1)}\n${mail('one', `Look:\n\n${paragraph}`)}${TAKEOUT(2)}\n${mail('two', 'Hi.')}`
    t.same(await subjects(t, mbox), ['one', 'two'], paragraph)
  }
})

t.test('separators are recognized in every common format', async t => {
  const lines = [
    'From bo@example.com Mon Jan  1 10:00:00 2024',
    'From - Mon Jan 01 10:00:00 2024',
    'From MAILER-DAEMON Mon Jan  1 10:00:00 2024',
    'From ???@??? Mon Jan 01 10:00:00 2024',
    'From "bo the second"@example.com Mon Jan  1 10:00:00 2024',
    'From bo at example.com  Mon Jan  1 10:00:00 2024',
    'From bo Mon Jan  1 10:00:00 EST 2024',
    'From bo Mon Jan  1 10:00:00 2024 +0100',
    'From bo Mon Jan  1 10:00 2024',
    'From bo Mon Jan  1 10:00:00 2024 remote from relay',
    'From bo@example.com Mon, 01 Jan 2024 10:00:00 +0000',
    'From bo@example.com 2024-01-01T10:00:00+00:00',
    'From 1234@xxx Mon Jan 01 10:00:00 +0000 2024',
  ]
  for (const line of lines) {
    const mbox = `${DATED}\n${mail('one', 'Text.')}${line}\n${mail('two', 'Text.')}${line}\r\n${mail('three', 'Text.')}`
    t.same(await subjects(t, mbox), ['one', 'two', 'three'], line)
    t.same(await subjects(t, `\xef\xbb\xbf\n${line}\n${mail('one', 'Text.')}`), ['one'], `first: ${line}`)
  }
})

t.test('mboxrd and mboxo lose the quote, once', async t => {
  const [text] = await read(t, `${DATED}\n${mail('one', '>From here\n>>From there\n> From me\n>from')}`)
  t.equal(text, `${mail('one', 'From here\n>From there\n> From me\n>from').slice(0, -1)}`)
})

const withLength = (subject: string, text: string, length = text.length) =>
  `Subject: ${subject}\nContent-Length: ${length}\n\n${text}`

t.test('mboxcl2 quotes nothing: its lengths end each mail', async t => {
  const text = `${DATED}\nSubject: inside\n\n>From a quote\n\nFrom here\n`
  for (const gap of ['', '\n']) {
    const mbox = [withLength('one', text), withLength('two', text), withLength('three', 'end')]
    const mails = await read(
      t,
      mbox
        .map(one => `${DATED}\n${one}`)
        .join(gap === '' ? '' : gap)
        .replace(/$/, gap),
    )
    t.same(
      mails,
      [withLength('one', text), withLength('two', text), withLength('three', 'end')],
      `gap ${JSON.stringify(gap)}`,
    )
  }
})

t.test('mboxcl quotes and gives lengths', async t => {
  const text = 'Hi,\n\n>From here\n'
  const mails = await read(t, `${DATED}\n${withLength('one', text)}\n${DATED}\n${withLength('two', text)}`)
  t.same(
    mails.map(one => one.slice(-10)),
    ['\nFrom here\n'.slice(-10), 'From here\n'],
  )
})

t.test('a sender’s length hides no mail', async t => {
  const hidden = `${DATED}\n${mail('two', 'Hi.')}`
  const reaching = hidden.length + 'Text.\n\n'.length
  for (const length of [0, 3, reaching, 1_000_000, -1, 1e30]) {
    const one = `Subject: one\nDate: Mon, 1 Jan 2024 10:00:00 +0000\nContent-Length: ${length}\n\nText.\n\n`
    const mbox = `${DATED}\n${mail('zero', 'Hi.')}${DATED}\n${one}${hidden}${DATED}\n${mail('three', 'Hi.')}`
    t.same(await subjects(t, mbox), ['zero', 'one', 'two', 'three'], `length ${length}`)
  }
})

t.test('a text file with a line that begins with From is not an mbox', async t => {
  for (const text of [
    'From the desk of the chair\n\nDear all,\n',
    'From here on\nNote: x\n',
    'Dear diary\n\nFrom bo Mon Jan  1 10:00:00 2024\nSubject: a\n\n',
  ])
    await t.rejects(read(t, text), /is not an mbox/, text)
})

t.test('a file of separators and similar lines is read in one pass', async t => {
  const many = 20_000
  t.equal((await read(t, `${DATED}\n${mail('one', 'From \n\n'.repeat(many))}`)).length, 1)
  t.equal((await read(t, `${DATED}\n${mail('one', `${DATED}\nx\n\n`.repeat(many))}`)).length, 1)
})
