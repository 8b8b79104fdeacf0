import t from 'tap'
import { readMessage as readGmail } from '../../../shared/gmail/message.ts'

const gmail = (name: string, value: string) =>
  readGmail({ id: 'a', threadId: 't', payload: { headers: [{ name, value }] } })

t.test('comments in comments, doubled brackets and names in brackets leave the address what it is', async t => {
  for (const [value, name] of [
    ['bo@example.com (Bo (the) Man)', 'Bo the Man'],
    ['bo@example.com (Bo ((very) (much)))', 'Bo very much'],
    ['bo@example.com (Bo (x)', 'Bo x'],
    ['Bo <<bo@example.com>>', 'Bo'],
    ['Bo <Sales> <bo@example.com>', 'Bo <Sales>'],
    ['=?utf-8?Q?J=C3=B6rg?= <HR> <bo@example.com>', 'Jörg <HR>'],
    ['"Bo <Sales>" <bo@example.com>', 'Bo <Sales>'],
  ] as const) {
    const right = [{ name, address: 'bo@example.com' }]
    t.match(gmail('From', value)?.from, right, value)
    t.same(gmail('To', `${value}, ana@example.com`)?.to, [...right, { name: '', address: 'ana@example.com' }], value)
  }
})
