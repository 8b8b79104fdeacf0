import t from 'tap'
import { type Envelope, encodeEnvelope, parseEnvelope, salvageEnvelope } from '../../shared/envelope.ts'
import { messageIds } from '../../shared/streams.ts'

const envelope: Envelope = {
  id: 'run/1/0',
  run: 'run',
  mailbox: 'gmail:ana@example.com',
  at: 1,
  attempt: 0,
  lane: 'live',
  body: { id: 'm', thread: 't', window: '1', index: 0, of: 1 },
}

t.test('a written envelope can be read', async t => {
  t.same(parseEnvelope(encodeEnvelope(envelope), messageIds.body), envelope)
  t.same(parseEnvelope(encodeEnvelope({ ...envelope, replayOf: 'x' }), messageIds.body), { ...envelope, replayOf: 'x' })
})

t.test('an envelope of an earlier version, with a trace, is read without it', async t => {
  const text = JSON.stringify({ v: 1, ...envelope, trace: 'run' })
  t.same(parseEnvelope(text, messageIds.body), envelope)
})

t.test('an unreadable envelope names the field, never its content', async t => {
  const text = (changes: object) => JSON.stringify({ v: 1, ...envelope, ...changes })
  const read = (from: string) => () => parseEnvelope(from, messageIds.body)
  t.throws(read('{'), { kind: 'unparsable', message: /not JSON/ })
  t.throws(read(text({ v: 0 })), { kind: 'unparsable', message: /version 1 to 2: v/ })
  t.throws(read(text({ lane: 'secret subject' })), { kind: 'unparsable', message: /^(?!.*secret).*lane/ })
  t.throws(read(text({ body: { id: 'm', thread: 'secret' } })), {
    kind: 'unparsable',
    message: /^(?!.*secret).*window/,
  })
})

t.test('an envelope of a later version is refused with a remedy', async t => {
  const text = JSON.stringify({ v: 3, of: 'another shape' })
  t.throws(() => parseEnvelope(text, messageIds.body), {
    kind: 'unparsable',
    message: /version 3; this process reads up to version 2: upgrade it, then redrive/,
  })
})

t.test('an entry above a mebibyte is refused unread, with its size', async t => {
  const text = encodeEnvelope({ ...envelope, replayOf: 'ü'.repeat(400_000) })
  t.ok(text.length < 1 << 20, 'it is counted in bytes')
  t.equal(parseEnvelope(text, messageIds.body).replayOf?.length, 400_000)
  const larger = `{${'ü'.repeat(1 << 19)}`
  t.throws(() => parseEnvelope(larger, messageIds.body), {
    kind: 'unparsable',
    message: 'the entry has 1048577 bytes; the limit is 1048576',
  })
})

t.test('entries of other versions are salvaged; anything else is rejected at once', async t => {
  const text = JSON.stringify({ v: 3, ...envelope })
  t.same(salvageEnvelope(text, messageIds.body), envelope)
  const begun = performance.now()
  for (const other of ['', '{', 'null', '[1]', `"${'x'.repeat(1_000_000)}"`, `{${'x'.repeat(9 << 20)}`])
    t.equal(salvageEnvelope(other, messageIds.body), undefined)
  t.ok(performance.now() - begun < 500, 'a long text is not split into characters')
})
