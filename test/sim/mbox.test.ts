import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { loadMail } from '../../sim/mbox.ts'

const TAKEOUT = `From 1789000000000000001@xxx Tue Mar 05 10:11:12 +0000 2024
X-GM-THRID: 1789000000000000001
X-Gmail-Labels: Inbox,Opened,Important,"Team, Berlin",Category Updates
Message-ID: <one@example.com>
Subject: One

>From here on it is quoted.
>>From there too.
Not From.
From inside a paragraph it does not begin a mail.

From 1789000000000000002@xxx Tue Mar 05 12:11:12 +0200 2024
X-GM-THRID: 1789000000000000001
X-Gmail-Labels: =?UTF-8?Q?Sent,M=C3=BCnchen,Drafts,Archived?=

Two

From - Wed Mar 06 00:00:01 2024
Subject: Three

Three`

async function written(t: Test, files: Record<string, string>) {
  return t.testdir(files)
}

async function readAll(path: string) {
  const mailbox = await loadMail(path)
  const mails = Array.from({ length: mailbox.size }, (_, index) => mailbox.message(index))
  return { mailbox, mails, texts: await Promise.all(mails.map(async mail => (await mail.read()).toString('latin1'))) }
}

t.test('an mbox is split at From lines after blank lines, and unquoted', async t => {
  const dir = await written(t, { 'Takeout  Mail.mbox': TAKEOUT })
  const { mailbox, mails, texts } = await readAll(join(dir, 'Takeout  Mail.mbox'))
  t.equal(mailbox.address, 'takeout-mail@mbox.example')
  t.equal(mailbox.size, 3)
  t.ok(texts[0]?.startsWith('X-GM-THRID: '))
  t.ok(
    texts[0]?.endsWith(
      '\n\nFrom here on it is quoted.\n>From there too.\nNot From.\nFrom inside a paragraph it does not begin a mail.\n',
    ),
  )
  t.ok(texts[1]?.endsWith('\n\nTwo\n'))
  t.equal(texts[2], 'Subject: Three\n\nThree')
  const dates = mails.map(mail => new Date(mail.receivedAtMs).toISOString())
  t.same(dates, ['2024-03-05T10:11:12.000Z', '2024-03-05T10:11:12.000Z', '2024-03-06T00:00:01.000Z'])
  t.throws(() => mailbox.message(3), RangeError)
})

t.test('labels and threads of Google Takeout are kept', async t => {
  const dir = await written(t, { 'a.mbox': TAKEOUT })
  const { mails } = await readAll(join(dir, 'a.mbox'))
  t.same(mails[0]?.labels, ['INBOX', 'IMPORTANT', 'Team, Berlin', 'CATEGORY_UPDATES'])
  t.same(mails[1]?.labels, ['SENT', 'München', 'DRAFT'])
  t.same(mails[2]?.labels, ['INBOX'])
  t.ok(mails[0]?.thread)
  t.equal(mails[0]?.thread, mails[1]?.thread)
  t.equal(mails[2]?.thread, undefined)
})

t.test('a separator is found at every chunk boundary', async t => {
  const chunkBytes = 1 << 20
  for (const shift of [-9, -8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2]) {
    const first = `From a Mon Jan  1 00:00:00 2024\nSubject: a\n\n`
    const filler = 'x'.repeat(chunkBytes + shift - first.length - 2)
    const dir = await written(t, {
      'cut.mbox': `${first}${filler}\n\nFrom b Mon Jan  1 00:00:01 2024\nSubject: b\n\nb\n\n`,
    })
    const { texts } = await readAll(join(dir, 'cut.mbox'))
    t.equal(texts.length, 2, `cut ${shift} bytes off`)
    t.equal(texts[1], 'Subject: b\n\nb\n')
  }
})

t.test('broken mail loads too', async t => {
  const broken = [
    'no headers at all\n',
    'Subject: no blank line\n',
    '\n\n\n',
    '',
    'Subject: \0 and \xff\xfe\n\n\0\xff\r bare\r.\n',
    'garbage line\nSubject: after garbage\n continued\n\nbody\n',
    `Subject: long\nX-Long: ${'x'.repeat(40_000)}\nX-Gmail-Labels: Spam\n\nend\n`,
    'Content-Type: multipart/mixed; boundary=\n\n--\n',
  ]
  const mbox = broken.map(mail => `From x Mon Jan  1 00:00:00 2024\n${mail}\n`).join('')
  const dir = await written(t, {})
  await writeFile(join(dir, 'broken.mbox'), Buffer.from(mbox, 'latin1'))
  const { mails, texts } = await readAll(join(dir, 'broken.mbox'))
  t.equal(mails.length, broken.length)
  t.equal(texts[4], broken[4])
  t.same(mails[6]?.labels, ['SPAM'])
})

t.test('CRLF mboxes lose only the blank line after each mail', async t => {
  const dir = await written(t, {
    'crlf.mbox': 'From a\r\nSubject: a\r\n\r\na\r\n\r\nFrom b\r\nSubject: b\r\n\r\nb\r\n',
  })
  const { texts } = await readAll(join(dir, 'crlf.mbox'))
  t.same(texts, ['Subject: a\r\n\r\na\r\n', 'Subject: b\r\n\r\nb\r\n'])
})

t.test('the time comes from From, Received, Date, or the previous mail', async t => {
  const dir = await written(t, {
    'times.mbox': [
      'From a Mon Jan  1 00:00:00 2024\nDate: Tue, 2 Jan 2024 00:00:00 +0000\n\n',
      'From b sometime\nReceived: from x; Wed, 3 Jan 2024 02:00:00 +0200 (EET)\nReceived: from y; Thu, 4 Jan 2024 00:00:00 GMT\n\n',
      'From c\nReceived: broken\nDate: 4 Jan 24 19:00 EST\n\n',
      'From d\nDate: tomorrow\n\n',
      'From e\nDate: Fri, 32 Jan 2024 00:00:00 +0000\n\n',
    ].join('\n'),
  })
  const { mails } = await readAll(join(dir, 'times.mbox'))
  t.same(
    mails.map(mail => new Date(mail.receivedAtMs).toISOString()),
    [
      '2024-01-01T00:00:00.000Z',
      '2024-01-03T00:00:00.000Z',
      '2024-01-05T00:00:00.000Z',
      '2024-01-05T00:00:01.000Z',
      '2024-01-05T00:00:02.000Z',
    ],
  )
})

t.test('a folder of .eml files, in order of names, or one .eml file is a mailbox', async t => {
  const dir = await written(t, { 'b.eml': 'Subject: b\n\nb', 'a.EML': 'Subject: a\n\na', 'notes.txt': 'no mail' })
  t.same((await readAll(dir)).texts, ['Subject: a\n\na', 'Subject: b\n\nb'])
  t.same((await readAll(join(dir, 'b.eml'))).texts, ['Subject: b\n\nb'])
})

t.test('a failed load is reported in one line with a remedy', async t => {
  const dir = await written(t, { 'notes.txt': 'Dear diary\n', 'empty.mbox': '' })
  const refused = async (name: string) => {
    const error: unknown = await loadMail(join(dir, name)).catch(error => error)
    const message = error instanceof Error ? error.message : ''
    t.notMatch(message, '\n')
    t.ok(message.includes(`"${join(dir, name)}"`), message)
    return message
  }
  t.match(
    await refused('notes.txt'),
    /is not an mbox: its first line does not begin with "From "\. Export one with Google Takeout/,
  )
  t.match(await refused('empty.mbox'), /is not an mbox/)
  t.match(await refused('missing.mbox'), /does not exist\. Name an mbox file/)
  await mkdir(join(dir, 'folder'))
  t.match(await refused('folder'), /holds no \.eml files\. Name a folder that does/)
})

const asRoot = process.getuid?.() === 0 && 'root may read every file'
t.test('an unreadable file is reported with a remedy', { skip: asRoot }, async t => {
  const dir = await written(t, { 'secret.mbox': TAKEOUT })
  await chmod(join(dir, 'secret.mbox'), 0)
  await t.rejects(loadMail(join(dir, 'secret.mbox')), {
    message: /may not be read by this user\. Allow it with: chmod/,
  })
})
