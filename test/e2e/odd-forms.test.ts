import t from 'tap'
import { memoryMailbox } from '../../sim/mailbox.ts'
import { readBoth } from '../support/both.ts'

const person = (name: string, address: string) => ({ name, address })

t.test('odd forms of addresses and words are the same at both providers', async t => {
  const bo = 'bo@example.com'
  const people = [
    ['bo@example.com (Bo (the) Man)', person('Bo the Man', bo)],
    ['Bo <<bo@example.com>>', person('Bo', bo)],
    ['Bo <Sales> <bo@example.com>', person('Bo <Sales>', bo)],
    ['"Bo <Sales>" <bo@example.com>', person('Bo <Sales>', bo)],
    ['"Bo (the (man))" <bo@example.com>', person('Bo (the (man))', bo)],
  ] as const
  const words = ['=?utf-8?X?abc?=', '=?utf-8??abc?=', '=?utf-8?B?!!!!?=']
  const mails = [
    ...people.map(([from]) => `From: ${from}\n\n`),
    ...words.map(word => `From: ${bo}\nSubject: ${word}\n\n`),
  ]
  const mailbox = memoryMailbox(
    'ana@example.com',
    mails.map(mail => ({ raw: Buffer.from(mail) })),
  )
  const { gmail, outlook } = await readBoth(t, mailbox)
  t.equal(gmail.length, mails.length)
  for (const written of [gmail, outlook]) {
    for (const [index, [from, right]] of people.entries()) t.strictSame(written[index]?.from, [right], from)
    for (const [index, word] of words.entries())
      t.match(written[people.length + index], { subject: '', unreadable: ['subject'] }, word)
  }
})
