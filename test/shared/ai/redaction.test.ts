import t from 'tap'
import { redacted, restored } from '../../../shared/ai/redaction.ts'

const redact = (text: string) => redacted(text).value

t.test('addresses, phone numbers and card numbers become placeholders', async t => {
  const table: [string, string][] = [
    ['Write to Ana.Li+x@mail.example.com.', 'Write to [email-1].'],
    ['<ana@example.com>, mailto:bo@example.com', '<[email-1]>, mailto:[email-2]'],
    ['ana@example.com ANA@EXAMPLE.COM bo@example.com', '[email-1] [email-1] [email-2]'],
    ['\u6d4b\u8bd5@\u4f8b\u5b50.\u4e2d\u56fd', '[email-1]'],
    ['a@b@c.example', '[email-1]@c.example'],
    ['Call +49 30 1234567 or 0049301234567', 'Call [phone-1] or [phone-2]'],
    ['(030) 123 45-67, 030/1234567', '[phone-1], [phone-1]'],
    ['555-123-4567 (555) 123-4567 1 555-123-4567', '[phone-1] [phone-1] [phone-2]'],
    ['on 2026-11-30 030 1234567 and 030 1234567 0171 7654321', 'on 2026-11-30 [phone-1] and [phone-2]'],
    ['due 04.12.2026 12345', 'due 04.12.2026 12345'],
    ['4111 1111 1111 1111 12/28 123', '[card-1] 12/28 123'],
    ['No. 77 4111 1111 1111 1111 and 99 (555) 123-4567', 'No. 77 [card-1] and 99 [phone-1]'],
    ['Card 4111 1111 1111 1111, 4111-1111-1111-1111, 5555555555554444', 'Card [card-1], [card-1], [card-2]'],
    [`${'='.repeat(200)}ana@example.com`, `${'='.repeat(139)}[email-1]`],
  ]
  for (const [text, expected] of table) t.equal(redact(text), expected, text.slice(0, 60))
})

t.test('dates, times, sums and other numbers stay', async t => {
  const kept = [
    'on 2026-11-30 at 10:00, 30.11.2026 or 11/30/2026',
    '2026-11-30T10:00:00.000Z',
    '20261130',
    'It costs 1 000 000 USD, or 1,234,567.89',
    'Order 4111111111111112, ticket 12345678',
    'Room 0 30, version 1.2.3.4, ISBN 978-3-16-148410-0',
    'No address: @ana, a @ b, @',
    'id4111111111111111x',
  ]
  for (const text of kept) t.equal(redact(text), text)
})

t.test('equal values have one placeholder in the whole task, in the order of its texts', async t => {
  const { value, values } = redacted({ a: ['x@a.example', { b: 'y@a.example' }], c: 'X@a.example', 'z@a.example': 1 })
  t.same(value, { a: ['[email-1]', { b: '[email-2]' }], c: '[email-1]', 'z@a.example': 1 })
  t.same(
    [...values],
    [
      ['[email-1]', 'x@a.example'],
      ['[email-2]', 'y@a.example'],
    ],
  )
  t.same(redacted(['x@a.example', 'y@a.example']).value, redacted(['x@a.example', 'y@a.example']).value)
})

t.test('values come back where an answer has their placeholders, and nowhere else', async t => {
  const redaction = redacted('x@a.example +49 30 1234567')
  t.same(restored({ a: 'To [email-1] or [phone-1]', b: ['[email-2]', '[card-1]', '[email-01]'] }, redaction), {
    a: 'To x@a.example or +49 30 1234567',
    b: ['[email-2]', '[card-1]', '[email-01]'],
  })
})

t.test('no text takes long', async t => {
  for (const unit of ['a', '@', 'a@', '1', '1 ', '(', '+1', 'a.']) {
    const started = performance.now()
    redact(unit.repeat(200_000 / unit.length))
    t.ok(performance.now() - started < 3000, unit)
  }
})
