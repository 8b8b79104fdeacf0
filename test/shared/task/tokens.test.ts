import { existsSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { countTokens } from 'gpt-tokenizer/encoding/o200k_base'
import t from 'tap'
import { readMessage } from '../../../shared/gmail/message.ts'
import type { Message } from '../../../shared/message.ts'
import { buildTask, type TaskThread } from '../../../shared/task/task.ts'
import { tokensOf } from '../../../shared/task/tokens.ts'
import { parseMime } from '../../../sim/mime.ts'
import { leavesOf, lineOf } from '../../../sim/snippet.ts'
import { TEXTS } from '../../support/languages.ts'

const options = { tokens: 8000, promptVersion: '1', model: '' }
const thread: TaskThread = { mailbox: 'gmail:ana@example.com', thread: 't', version: '0f'.repeat(16), reason: 'new' }
const texts = [...TEXTS.values()]
// The tokenizer takes seconds for one long word, so texts that go into it have at most this many characters.
const MOST_CHARACTERS = 60_000

t.test('the estimate is at most a tenth below the true tokens, in any language', async t => {
  for (const [name, text] of TEXTS) {
    const share = tokensOf(JSON.stringify(text)) / trueTokens(JSON.stringify(text))
    t.ok(share >= 1 / 1.1 && share <= 1.7, `${name}: ${share.toFixed(2)} of the true tokens`)
  }
})

t.test('crafted patterns are at most a tenth dearer than their estimates', async t => {
  const marks = Array.from('!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~')
  const pairs = marks.flatMap(first => marks.map(second => first + second))
  const alone = (from: number, to: number, step = 1) =>
    Array.from({ length: Math.ceil((to - from) / step) }, (_, at) => String.fromCodePoint(from + at * step))
  const classes = {
    'pairs of marks': pairs,
    'pairs of marks and a letter': pairs.map(pair => `${pair}a`),
    'pairs of marks and a blank': pairs.map(pair => `${pair} `),
    'marks and digits': marks.flatMap(mark => ['1', '12', '1234'].map(digits => mark + digits)),
    'letters and digits': alone(0x61, 0x7b).flatMap(letter => [`${letter}1`, `${letter.toUpperCase()}1`]),
    'private use': alone(0xe000, 0xf900, 37),
    'private use, between blanks': alone(0xe000, 0xf900, 37).map(one => `${one} `),
    'presentation forms': [...alone(0xf900, 0xfb00, 11), ...alone(0xfb50, 0xfe00, 11), '\ufbef\ubefb\uefbe'],
    'combining marks': alone(0x300, 0x370),
    'rare scripts': [...alone(0x250, 0x300, 3), ...alone(0xe80, 0x1000, 5), ...alone(0x1200, 0x1780, 9)],
    'letters of two cases': alone(0x61, 0x7b).flatMap(one => [`${one}${one.toUpperCase()}`, `z${one}`, `${one}q`]),
    'accented letters': alone(0xc0, 0x100, 3).flatMap(one => [`${one}Ä`, `ö${one}`, one]),
    'pairs of one script': ['ЄШ', 'нГ', 'жц', 'ΩΛ', 'άΡ', 'բՄ', 'ჩთ', 'ךב', 'ەٺ', 'सअ', 'ঠপ', 'ஆர', 'ฐไ', 'ồớ', 'おカ'],
    signs: alone(0x2100, 0x2e80, 17),
    'Han characters': alone(0x3400, 0xa000, 97),
    'rare planes': alone(0x10000, 0x10400, 13),
    emoji: [...alone(0x1f300, 0x1fb00, 13), '👩‍👩‍👧', '🏽👍', '❤️'],
  }
  for (const [name, all] of Object.entries(classes)) {
    const shares = all.map(pattern => {
      const json = JSON.stringify(pattern.repeat(Math.ceil(120 / pattern.length)))
      return { pattern, share: trueTokens(json) / tokensOf(json) }
    })
    const worst = shares.reduce((one, other) => (other.share > one.share ? other : one))
    t.ok(worst.share <= 1.1, `${name}: ${worst.share.toFixed(2)} of the estimate, ${JSON.stringify(worst.pattern)}`)
  }
})

t.test('a thread in one language stays within its budget', async t => {
  for (const [name, text] of TEXTS)
    for (const tokens of [1024, 3000]) {
      const messages = Array.from({ length: 40 }, (_, n) => message(n, { subject: text.slice(0, 80), snippet: text }))
      const json = JSON.stringify(buildTask(thread, messages, { ...options, tokens }))
      const share = trueTokens(json) / tokens
      t.ok(share <= 1.1 && share > 0.4, `${name}: ${share.toFixed(2)} of ${tokens} tokens`)
    }
})

t.test('random threads stay within their budgets', async t => {
  const piece = fc.tuple(fc.constantFrom(...texts), fc.nat(300), fc.integer({ min: 1, max: 600 }))
  const text = piece.map(([from, at, length]) => from.slice(at, at + length))
  const person = fc.record({
    name: text.map(name => name.slice(0, 40)),
    address: fc.emailAddress(),
  })
  const people = fc.array(person, { maxLength: 30 })
  const fields = fc.record({
    id: fc.nat().map(id => `18c5f0a9${id.toString(16)}`),
    subject: text,
    snippet: fc.array(text, { maxLength: 8 }).map(parts => parts.join(' ')),
    from: fc.array(person, { maxLength: 1 }),
    to: people,
    cc: people,
    labels: fc.array(
      text.map(label => label.slice(0, 30)),
      { maxLength: 4 },
    ),
  })
  const budget = fc.integer({ min: 1024, max: 8000 })
  const property = fc.property(fc.array(fields, { minLength: 1, maxLength: 30 }), budget, (all, tokens) => {
    const messages = all.map((one, n) => message(n, one))
    const task = buildTask(thread, messages, { ...options, tokens })
    const json = JSON.stringify(task)
    t.ok(
      task.messages.some(({ date }) => date === new Date(messages.at(-1)?.date ?? 0).toISOString()),
      'the newest',
    )
    return trueTokens(json) <= 1.1 * tokens && tokensOf(json) <= tokens && task.budget.used >= tokensOf(json)
  })
  fc.assert(property, { numRuns: 40 })
})

t.test('a factor makes tasks shorter, or longer', async t => {
  const messages = Array.from({ length: 400 }, (_, n) => message(n, { snippet: 'Fine, see you on Thursday.' }))
  const sizes = [0.5, 1, 2, 4].map(tokenFactor => {
    const task = buildTask(thread, messages, { ...options, tokenFactor })
    t.ok(task.budget.used > 0.9 * 8000 && task.budget.used <= 8000, `${task.budget.used} used`)
    t.ok(tokensOf(JSON.stringify(task)) * tokenFactor <= 8000)
    return task.messages.length
  })
  const [half = 0, one = 0, two = 0, four = 0] = sizes
  t.ok(half > 1.9 * one && one > 1.9 * two && two > 1.9 * four, `${sizes}`)
})

t.test('JSON costs at most as much as its values together', async () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.string(), fc.constantFrom(...texts)), { minLength: 1 }), values => {
      const sum = values.reduce((all, value) => all + tokensOf(JSON.stringify(value)), 0)
      return tokensOf(JSON.stringify(values)) <= sum + tokensOf('[]') + 1e-6
    }),
  )
})

t.test('hostile texts take linear time', async t => {
  for (const piece of ['a', '&', '"', '\\', ' ', '1', 'aB', 'a1', '会', '😀', '\u0000', '=']) {
    const [short, long] = [20_000, 200_000].map(length => piece.repeat(length / piece.length))
    tokensOf(short ?? '')
    const started = process.cpuUsage()
    for (let times = 0; times < 5; times++) tokensOf(long ?? '')
    t.ok(process.cpuUsage(started).user < 500_000, `a million of ${JSON.stringify(piece)}`)
    const hostile = message(0, { subject: long ?? '', snippet: `${long}${long}` })
    t.ok(tokensOf(JSON.stringify(buildTask(thread, [hostile], options))) <= 8000)
  }
})

const list = new URL('../../../../../shared/corpus/mailing-list.mbox', import.meta.url)
const withoutCorpus = existsSync(list) ? {} : { skip: 'there is no corpus beside the project' }

t.test('threads of a mailing list stay within their budgets, and English keeps its room', withoutCorpus, async t => {
  const messages = readFileSync(list, 'latin1')
    .split(/^From .*\n/m)
    .slice(1)
    .flatMap(read)
  t.equal(messages.length, 2260)
  const shares: number[] = []
  for (let from = 0; from < messages.length; from += 40) {
    const tokens = 1024 + ((from * 7) % 7000)
    const part = messages.slice(from, from + 40).map(({ snippet, ...one }, n) => ({ ...one, date: n, snippet }))
    const json = JSON.stringify(buildTask(thread, part, { ...options, tokens }))
    if (trueTokens(json) > 1.1 * tokens) t.fail(`${trueTokens(json)} tokens from message ${from}, ${tokens} allowed`)
    shares.push(tokensOf(json) / trueTokens(json))
  }
  const mean = shares.reduce((sum, one) => sum + one, 0) / shares.length
  t.ok(mean < 1.15, `the estimate is ${mean.toFixed(3)} of the true tokens`)
})

function read(mail: string, n: number): Message[] {
  const root = parseMime(mail.replaceAll('\n', '\r\n'))
  const headers = root.headers.map(({ name, value }) => ({ name, value }))
  const one = readMessage({ id: (0x18c5f0a9b2d3 + n * 7919).toString(16), threadId: 't', payload: { headers } })
  const text =
    leavesOf(root)
      .find(({ mimeType }) => mimeType === 'text/plain')
      ?.content()
      .toString('utf8') ?? ''
  return one ? [{ ...one, labels: ['INBOX'], snippet: lineOf(root, 200), body: { text, kind: 'plain' } }] : []
}

function trueTokens(text: string): number {
  if (text.length > MOST_CHARACTERS) throw new Error(`${text.length} characters would block the tokenizer`)
  return countTokens(text)
}

function message(n: number, changes: Partial<Message> = {}): Message {
  const people = { from: [{ name: 'Bo', address: 'bo@example.com' }], to: [], cc: [] }
  const date = 1_790_000_000_000 + n
  return {
    id: `m${n}`,
    thread: 't',
    labels: ['INBOX'],
    date,
    subject: 'Hello',
    ...people,
    snippet: 'hello',
    ...changes,
  }
}
