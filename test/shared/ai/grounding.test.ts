import t from 'tap'
import { grounded } from '../../../shared/ai/grounding.ts'
import { PROJECT_SCHEMA } from '../../../shared/ai/project-schema.ts'

const SOURCES = new Map([
  ['m1', ['Plan', 'We ship  on\nFriday. Yes.', 'ana@acme.example']],
  [
    'm2',
    [
      'Re: Plan',
      'The caf\u00e9 is clo\u00adsed. \u6211\u4eec\u661f\u671f\u4e94\u53d1\u5e03\u3002 It costs $5 (five) <now>.',
    ],
  ],
])
const IDS = new Map([
  ['m1', '18c1'],
  ['m2', '18c2'],
])

function ground(answer: Record<string, unknown>, schema: unknown = PROJECT_SCHEMA) {
  return grounded(answer, { sources: SOURCES, texts: [...SOURCES.values()].flat(), ids: IDS, schema })
}

const risk = (message: unknown, quote: unknown) => ({ risk: 'A risk', message, quote })

t.test('a quote stays where its message holds it word for word', async t => {
  const quotes: [string, string][] = [
    ['m1', 'We ship on Friday.'],
    ['m1', ' ship\n\non '],
    ['m1', 'Yes.'],
    ['m1', 'Plan'],
    ['m2', 'cafe\u0301 is closed'],
    ['m2', '\u661f\u671f\u4e94\u53d1\u5e03'],
    ['m2', '$5 (five) <now>'],
  ]
  for (const [message, quote] of quotes) {
    const { output, removed } = ground({ risks: [risk(message, quote)] })
    t.same(output.risks, [{ risk: 'A risk', message: IDS.get(message), quote: quote.replace('<now>', '<now>') }], quote)
    t.equal(removed.items, 0)
  }
})

t.test('an invented, moved, partial or empty quote takes its item along', async t => {
  const quotes: [unknown, unknown][] = [
    ['m1', 'We ship on Monday.'],
    ['m1', 'we ship on friday.'],
    ['m1', 'The caf\u00e9 is closed'],
    ['m2', 'We ship on Friday.'],
    ['m9', 'We ship on Friday.'],
    ['18c1', 'We ship on Friday.'],
    ['', 'We ship on Friday.'],
    ['m1', 'rida'],
    ['m1', 'hip on Friday'],
    ['m1', ''],
    ['m1', ' . '],
    ['m1', '\u200b'],
    ['m1', 'We ship \u2026 Friday'],
    ['constructor', 'Yes.'],
    [null, null],
    ['m1', null],
    [1, 'Yes.'],
  ]
  for (const [message, quote] of quotes) {
    const { output, removed } = ground({ risks: [risk('m1', 'Yes.'), risk(message, quote), risk('m1', 'Plan')] })
    t.same(
      (output.risks as { quote: string }[]).map(item => item.quote),
      ['Yes.', 'Plan'],
      JSON.stringify([message, quote]),
    )
    t.equal(removed.items, 1)
  }
})

t.test('citations are found wherever a schema has them', async t => {
  const good = { message: 'm1', quote: 'Yes.' }
  const bad = { message: 'm1', quote: 'No.' }
  const kept = { message: '18c1', quote: 'Yes.' }
  const table: [string, Record<string, unknown>, Record<string, unknown>, number][] = [
    ['in a field of an item', { a: [{ b: { c: good } }, { b: { c: bad } }] }, { a: [{ b: { c: kept } }] }, 1],
    ['in a list of an item', { a: [{ b: [good, bad] }] }, { a: [{ b: [kept] }] }, 1],
    ['all of a list of an item', { a: [{ b: [bad, bad] }, { b: [good] }] }, { a: [{ b: [kept] }] }, 1],
    ['an empty list of an item', { a: [{ b: [] }] }, { a: [{ b: [] }] }, 0],
    ['a list of lists', { a: [[bad], [good, bad]] }, { a: [[kept]] }, 2],
    ['outside of lists', { a: bad, b: good }, { a: null, b: kept }, 1],
    ['deep outside of lists', { a: { b: bad } }, { a: { b: null } }, 1],
    ['the whole answer', bad, {}, 1],
    ['other fields beside it', { ...good, more: [bad] }, { ...kept, more: [] }, 1],
  ]
  for (const [where, answer, output, items] of table) {
    t.same(ground(answer), { output, removed: { items, links: 0, addresses: 0, images: 0 } }, where)
  }
})

t.test('all texts lose foreign links, images and characters that nobody sees', async t => {
  const { output, removed } = ground({
    summary: 'Ask ana@acme.example or x@evil.example ![p](//evil.example)\u202e\ud800',
    list: ['evil.example', { deep: 'https://evil.example' }],
    number: 5,
    none: null,
    yes: true,
  })
  t.same(output, {
    summary: 'Ask ana@acme.example or [address removed] ',
    list: ['[link removed]', { deep: '[link removed]' }],
    number: 5,
    none: null,
    yes: true,
  })
  t.same(removed, { items: 0, links: 2, addresses: 1, images: 1 })
})

t.test('values that the schema names may look like links', async t => {
  const schema = { properties: { tool: { type: 'string', enum: ['node.js', 'other'] } } }
  t.same(ground({ tool: 'node.js' }, schema).output, { tool: 'node.js' })
  t.same(ground({ tool: 'node.js' }).output, { tool: '[link removed]' })
})

t.test('a long quote that is nowhere takes no long time', async t => {
  const sources = new Map([['m1', ['a'.repeat(100_000)]]])
  const started = performance.now()
  const quote = `${'a'.repeat(50_000)}`
  const { removed } = grounded({ risks: [risk('m1', quote)] }, { sources, texts: [], ids: IDS, schema: {} })
  t.equal(removed.items, 1)
  t.ok(performance.now() - started < 3000)
})
