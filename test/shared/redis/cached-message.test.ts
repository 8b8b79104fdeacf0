import t from 'tap'
import type { Message } from '../../../shared/message.ts'
import { asWanted, packMessage, packMessageNow, unpackMessage } from '../../../shared/redis/cached-message.ts'

const message = (more: Partial<Message> = {}): Message => ({
  ...{ id: 'a', thread: 't', labels: [], date: 1, subject: 's', from: [], to: [], cc: [], snippet: '', ...more },
})
const body = (text: string) => ({ text, kind: 'plain' as const })
// Words in no order, as compression of one repeated word would show little.
const words = (count: number) => Array.from({ length: count }, (_, n) => `word${(n * 7919) % 1000}`).join(' ')

t.test('a message is the same after the cache, short or long', async t => {
  for (const one of [message(), message({ body: body(words(2000)), subject: 'Grüße 会議' })]) {
    t.same(await unpackMessage(await packMessage(one)), one)
    t.same(await unpackMessage(packMessageNow(one)), one)
  }
})

t.test('a message above a kibibyte is compressed, a shorter one is not', async t => {
  const long = message({ body: body(words(1000)) })
  t.ok((await packMessage(long)).length * 2 < JSON.stringify(long).length)
  t.equal(packMessageNow(long).slice(0, 3), 'br:')
  const short = message({ body: body(words(100)) })
  t.equal(await packMessage(short), JSON.stringify(short))
})

t.test('a message of any size is capped, and says so', async t => {
  const person = (n: number) => ({ name: `Person ${n}`, address: `person${n}@example.com` })
  const people = Array.from({ length: 30_000 }, (_, n) => person(n))
  const vast = message({ body: body(words(100_000)), to: people, cc: people, subject: 'S'.repeat(400_000) })
  const packed = await packMessage(vast)
  const read = await unpackMessage(packed)
  t.ok(JSON.stringify(read).length <= 256 * 1024, `${JSON.stringify(read).length} characters`)
  t.match(read, { isPart: true, body: { isPart: true, note: 'too long' } })
  t.equal(read?.to.length, 2000)
  t.same(read?.more, { people: 56_000 })
  t.ok(vast.body?.text.startsWith(read?.body?.text ?? 'nothing'))
  const text = (await unpackMessage(await packMessage(message({ body: body('"\u0001'.repeat(150_000)) }))))?.body
  t.match(text, { isPart: true })
  t.ok((text?.text.length ?? 0) > 20_000)
})

t.test('foreign values are no messages', async t => {
  for (const value of ['', 'br:', 'br:AAAA', 'br:!', '{"id":"a"}', Buffer.from('br:').toString('base64')])
    t.equal(await unpackMessage(value), undefined, value)
})

t.test('a message without its text counts as not cached where texts are wanted', async t => {
  const preview = message()
  const whole = message({ body: body('Hi') })
  t.equal(asWanted(preview, true), undefined)
  t.equal(asWanted(whole, true), whole)
  t.equal(asWanted(preview, false), preview)
  t.same(asWanted(whole, false), preview)
})
