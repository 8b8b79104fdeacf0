import t from 'tap'
import { readMessage, WANTED_HEADERS } from '../../../shared/gmail/message.ts'
import { classFields, classOf } from '../../../shared/mail/mail-class.ts'

t.test('headers and senders show the class, and are named as its cause', async t => {
  const cases: [name: string, value: string, kind: string, cause?: string][] = [
    ['List-Id', '<deck.lists.example.com>', 'list'],
    ['List-Post', '<mailto:deck@lists.example.com>', 'list'],
    ['List-Post', 'NO', 'personal'],
    ['Mailing-List', 'contact deck-help@example.com', 'list'],
    ['precedence', 'list', 'list', 'header Precedence'],
    ['Precedence', 'bulk', 'automated'],
    ['Precedence', 'first-class', 'personal'],
    ['List-Unsubscribe', '<https://example.com/u>', 'automated'],
    ['Auto-Submitted', 'auto-generated', 'automated'],
    ['Auto-Submitted', ' no', 'personal'],
    ['Return-Path', ' <> ', 'automated'],
    ['Return-Path', '<bo@example.com>', 'personal'],
    ['From', 'no-reply+1@example.com', 'automated', 'sender no-reply+1'],
    ['From', 'MAILER-DAEMON@example.com', 'automated', 'sender MAILER-DAEMON'],
    ['From', 'norbert.replyson@example.com', 'personal'],
    ['List-Id', '', 'personal'],
  ]
  for (const [name, value, kind, cause = `header ${name}`] of cases) {
    const of = classOf(read([{ name, value }]))
    t.equal(of.kind, kind, `${name}: ${value}`)
    if (kind !== 'personal') t.equal(of.cause, cause)
  }
})

t.test('a newsletter with a list id is from a list; a program is named before a list', async t => {
  const list = { name: 'List-Id', value: '<a.example.com>' }
  t.match(classOf(read([{ name: 'List-Unsubscribe', value: '<mailto:a@b>' }, list])), { cause: 'header List-Id' })
  t.match(classOf(read([list, { name: 'Auto-Submitted', value: 'auto-generated' }])), { kind: 'automated' })
})

t.test('labels count as they are when the task is built; what the owner sent is personal', async t => {
  t.same(classOf({ labels: ['CATEGORY_PROMOTIONS'] }), { kind: 'automated', cause: 'label CATEGORY_PROMOTIONS' })
  t.match(classOf({ labels: ['CATEGORY_FORUMS', 'INBOX'] }), { kind: 'list' })
  t.match(classOf({ labels: ['CATEGORY_PERSONAL'] }), { kind: 'personal', cause: 'label CATEGORY_PERSONAL' })
  const list = { kind: 'list', cause: 'header List-Id' } as const
  t.same(classOf({ labels: ['CATEGORY_PERSONAL'], class: list }), list)
  t.same(classOf({ labels: ['SENT'], class: list }), { kind: 'personal', cause: 'label SENT' })
})

t.test('automatic replies are known by their headers alone', async t => {
  const isReply = (name: string, value: string) => read([{ name, value }]).isAutoReply === true
  t.ok(isReply('Auto-Submitted', 'auto-replied (vacation)'))
  t.ok(isReply('X-Autoreply', 'yes'))
  t.ok(isReply('X-MS-Exchange-Inbox-Rules-Loop', 'ana@example.com'))
  t.notOk(isReply('Auto-Submitted', 'auto-generated'))
  t.notOk(isReply('Subject', 'Out of office'))
})

t.test('a declared language is kept where it is one', async t => {
  t.equal(read([{ name: 'Content-Language', value: 'da-DK' }]).contentLanguage, 'da')
  for (const value of ['en, de', '', 'x'.repeat(100_000), 'e\u0000n'])
    t.notOk('contentLanguage' in read([{ name: 'Content-Language', value }]), value.slice(0, 9))
})

t.test('a sender of any length makes a short cause', async t => {
  const [one] = [classFields([], [{ name: '', address: `no-reply-${'x'.repeat(5000)}@example.com` }])]
  t.equal(one?.class?.cause.length, 80)
})

t.test('Gmail is asked for these headers', async t => {
  for (const name of ['List-Id', 'Auto-Submitted', 'Precedence', 'Return-Path', 'Content-Language'])
    t.ok(WANTED_HEADERS.includes(name), name)
})

function read(headers: readonly { name: string; value: string }[]) {
  const message = readMessage({ id: 'a', threadId: 'a', labelIds: ['INBOX'], payload: { headers } })
  if (!message) throw new Error('no message')
  return message
}
