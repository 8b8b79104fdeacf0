import t from 'tap'
import { readMessage as readGmail } from '../../../shared/gmail/message.ts'
import { readMessage as readGraph } from '../../../shared/outlook/message.ts'

const gmail = (name: string, value: string) =>
  readGmail({ id: 'a', threadId: 't', payload: { headers: [{ name, value }] } })
const graph = (fields: object) => readGraph({ id: 'a', receivedDateTime: '2026-11-01T08:00:00Z', ...fields })?.message

t.test('an encoded word that cannot be decoded is marked and not shown, at both providers', async t => {
  for (const word of ['=?utf-8?X?abc?=', '=?utf-8??abc?=', '=?utf-8?B?!!!!?=', '=?utf-8?B?w?=']) {
    for (const message of [gmail('Subject', word), graph({ subject: word })])
      t.match(message, { subject: '', unreadable: ['subject'] }, word)
    t.match(gmail('Subject', `Re: the plan ${word}`), { subject: 'Re: the plan \ufffd', unreadable: ['subject'] }, word)
    const person = [{ name: '', address: 'a@example.com' }]
    t.match(gmail('From', `${word} <a@example.com>`), { from: person, unreadable: ['from'] }, word)
    const from = { emailAddress: { name: word, address: 'a@example.com' } }
    t.match(graph({ from }), { from: person, unreadable: ['from'] }, word)
  }
  t.equal(gmail('Subject', '=?utf-8?Q??= =?utf-8?B??=')?.unreadable, undefined)
})

t.test('UTF-16 is read in the byte order that it says', async t => {
  for (const bytes of ['feff00480069', 'fffe48006900']) {
    const word = `=?utf-16?B?${Buffer.from(bytes, 'hex').toString('base64')}?=`
    for (const message of [gmail('Subject', word), graph({ subject: word })])
      t.match(message, { subject: 'Hi', unreadable: undefined }, bytes)
  }
})
