import t from 'tap'
import { isBeyond, readNotification } from '../../../shared/gmail/notification.ts'

const packed = (said: unknown, alphabet: 'base64' | 'base64url' = 'base64') => ({
  data: Buffer.from(JSON.stringify(said)).toString(alphabet),
})

t.test('a notification is read as fields, or packed as Pub/Sub delivers it', async t => {
  const expected = { mailbox: 'gmail:ana@example.com', historyId: '9876543210' }
  const said = { emailAddress: 'Ana@example.com', historyId: '9876543210' }
  t.same(readNotification(said), expected)
  t.same(readNotification(packed(said)), expected)
  t.same(readNotification(packed({ ...said, historyId: 9876543210 }, 'base64url')), expected)
  t.same(readNotification({ ...said, historyId: '009876543210', more: 'of no matter' }), expected)
  t.equal(readNotification({ ...said, historyId: '18446744073709551615' }).historyId, '18446744073709551615')
})

t.test('what is none is said to be none, without its content', async t => {
  const secret = 'Subject: the secret plan'
  const bad: [unknown, RegExp][] = [
    [undefined, /all of it/],
    [null, /all of it/],
    [secret, /all of it/],
    [{ secret }, /emailAddress .*, historyId/],
    [{ emailAddress: secret, historyId: 1 }, /emailAddress is no address/],
    [{ emailAddress: 'ana@example.com', historyId: secret }, /historyId/],
    [{ emailAddress: 'ana@example.com', historyId: -1 }, /historyId/],
    [{ emailAddress: 'ana@example.com', historyId: 1e300 }, /historyId/],
    [{ emailAddress: 'ana@example.com', historyId: '1'.repeat(21) }, /historyId/],
    [{ data: secret }, /data is not base64 of JSON/],
    [packed([secret]), /all of it|emailAddress/],
    [packed({ data: 'e30=' }), /emailAddress/],
  ]
  for (const [given, says] of bad) {
    t.throws(() => readNotification(given), { name: 'MailError', message: says })
    t.throws(() => readNotification(given), { message: /^(?!.*secret plan)/ })
  }
})

t.test('only what lies below the listed history is old news', async t => {
  t.equal(isBeyond('history:1000', '999'), true)
  t.equal(isBeyond('history:1000', '1000'), false)
  t.equal(isBeyond('history:1000', '1001'), false)
  t.equal(isBeyond('history:18446744073709551615', '18446744073709551614'), true)
  t.equal(isBeyond('pinned:1000', '999'), false, 'nothing was listed yet')
  t.equal(isBeyond('of another provider', '1'), false)
})
