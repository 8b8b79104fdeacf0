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
  trace: 'run',
  body: { id: 'm', thread: 't', window: '1', index: 0, of: 1 },
}

t.test('what is written can be read', async t => {
  t.same(parseEnvelope(encodeEnvelope(envelope), messageIds.body), envelope)
  t.same(parseEnvelope(encodeEnvelope({ ...envelope, replayOf: 'x' }), messageIds.body), { ...envelope, replayOf: 'x' })
})

t.test('what cannot be read says which field, and never what is in it', async t => {
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

t.test('what a later version wrote is refused with the remedy', async t => {
  const text = JSON.stringify({ v: 3, of: 'another shape' })
  t.throws(() => parseEnvelope(text, messageIds.body), {
    kind: 'unparsable',
    message: /version 3, and this process reads version 2: upgrade it, then redrive/,
  })
})

t.test('what has more than a mebibyte is refused before it is read, with its size', async t => {
  const text = encodeEnvelope({ ...envelope, trace: 'ü'.repeat(400_000) })
  t.ok(text.length < 1 << 20, 'it is counted in bytes')
  t.equal(parseEnvelope(text, messageIds.body).trace.length, 400_000)
  const larger = `{${'ü'.repeat(1 << 19)}`
  t.throws(() => parseEnvelope(larger, messageIds.body), {
    kind: 'unparsable',
    message: 'the entry has 1048577 bytes, and at most 1048576 are read',
  })
})

t.test(
  'what is left of an entry of another version is told of; of what is no envelope at all nothing is, and at once',
  async t => {
    const text = JSON.stringify({ v: 3, ...envelope })
    t.same(salvageEnvelope(text, messageIds.body), envelope)
    const begun = performance.now()
    for (const other of ['', '{', 'null', '[1]', `"${'x'.repeat(1_000_000)}"`, `{${'x'.repeat(9 << 20)}`])
      t.equal(salvageEnvelope(other, messageIds.body), undefined)
    t.ok(performance.now() - begun < 500, 'a long text is not taken apart letter by letter')
  },
)
