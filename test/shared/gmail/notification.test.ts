import t from 'tap'
import { isBeyond, readNotification } from '../../../shared/gmail/notification.ts'

const packed = (said: unknown, alphabet: 'base64' | 'base64url' = 'base64') => ({
  data: Buffer.from(JSON.stringify(said)).toString(alphabet),
})

t.test('a notification is read as fields or as Pub/Sub packs it', async t => {
  const expected = { mailbox: 'gmail:ana@example.com', historyId: '9876543210' }
  const said = { emailAddress: 'Ana@example.com', historyId: '9876543210' }
  t.same(readNotification(said), expected)
  t.same(readNotification(packed(said)), expected)
  t.same(readNotification(packed({ ...said, historyId: 9876543210 }, 'base64url')), expected)
  t.same(readNotification({ ...said, historyId: '009876543210', more: 'of no matter' }), expected)
  t.equal(readNotification({ ...said, historyId: '18446744073709551615' }).historyId, '18446744073709551615')
})

t.test('anything else is refused without quoting its content', async t => {
  const secret = 'Subject: the secret plan'
  const bad: [unknown, RegExp][] = [
    [undefined, /the whole body/],
    [null, /the whole body/],
    [secret, /the whole body/],
    [{ secret }, /emailAddress .*, historyId/],
    [{ emailAddress: secret, historyId: 1 }, /emailAddress is not an address/],
    [{ emailAddress: 'ana@example.com', historyId: secret }, /historyId/],
    [{ emailAddress: 'ana@example.com', historyId: -1 }, /historyId/],
    [{ emailAddress: 'ana@example.com', historyId: 1e300 }, /historyId/],
    [{ emailAddress: 'ana@example.com', historyId: '1'.repeat(21) }, /historyId/],
    [{ data: secret }, /data is not base64 of JSON/],
    [packed([secret]), /the whole body|emailAddress/],
    [packed({ data: 'e30=' }), /emailAddress/],
  ]
  for (const [given, says] of bad) {
    t.throws(() => readNotification(given), { name: 'MailError', message: says })
    t.throws(() => readNotification(given), { message: /^(?!.*secret plan)/ })
  }
})

t.test('only a history id below the listed one is stale', async t => {
  t.equal(isBeyond('history:1000', '999'), true)
  t.equal(isBeyond('history:1000', '1000'), false)
  t.equal(isBeyond('history:1000', '1001'), false)
  t.equal(isBeyond('history:18446744073709551615', '18446744073709551614'), true)
  t.equal(isBeyond('pinned:1000', '999'), false, 'nothing is listed yet')
  t.equal(isBeyond('of another provider', '1'), false)
})
