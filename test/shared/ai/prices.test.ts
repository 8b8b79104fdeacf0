import fc from 'fast-check'
import t from 'tap'
import { PRICE_LIST } from '../../../shared/ai/price-list.ts'
import { costOf, parsePrices, priceOf, worstCase } from '../../../shared/ai/prices.ts'
import { MailError } from '../../../shared/error.ts'

const prices = PRICE_LIST

t.test('the list is dated, and each of its models has a price that makes sense', t => {
  t.match(prices.asOf, /^20\d\d-\d\d-\d\d$/)
  t.ok(Object.keys(prices.models).length >= 12)
  for (const [model, { input, cachedInput = input, output, long }] of Object.entries(prices.models)) {
    t.ok(cachedInput > 0 && cachedInput <= input && input < output, model)
    if (long) t.ok(long.input >= input && long.output >= output, `${model}, long`)
  }
  t.same(parsePrices(JSON.stringify(prices), { asOf: '2000-01-01', models: {} }), prices, 'it has the form of a file')
  t.end()
})

t.test('a request costs its tokens, rounded up to a millionth', t => {
  t.equal(costOf({ inputTokens: 1_000_000, outputTokens: 1_000_000 }, 'gpt-4o-mini', prices), 750_000)
  t.equal(costOf({ inputTokens: 1000, outputTokens: 100, cachedTokens: 400 }, 'gpt-4o', prices), 3000)
  t.equal(costOf({ inputTokens: 30, outputTokens: 0 }, 'gpt-4.1-nano', prices), 3, 'exactly: 30 times 0.1')
  t.equal(costOf({ inputTokens: 31, outputTokens: 0 }, 'gpt-4.1-nano', prices), 4)
  t.equal(costOf({ inputTokens: 10, outputTokens: 0, cachedTokens: 90 }, 'gpt-4o', prices), 13, 'of the input')
  t.equal(costOf({ inputTokens: 272_000, outputTokens: 0 }, 'gpt-5.4', prices), 680_000)
  t.equal(costOf({ inputTokens: 272_001, outputTokens: 100 }, 'gpt-5.4', prices), 1_362_255, 'a long request')
  t.end()
})

t.test('the worst case counts bytes as tokens, at the dearest model', t => {
  const of = { bytes: 10_000, outputTokens: 500, prices }
  t.same(worstCase({ ...of, models: ['gpt-4o-mini', 'gpt-4o', 'gpt-5-nano'] }), { microUsd: 30_000, tokens: 10_500 })
  t.same(worstCase({ ...of, models: ['gpt-4o-mini'] }), { microUsd: 1800, tokens: 10_500 })
  t.throws(() => worstCase({ ...of, models: ['gpt-4o', 'llama'] }), /the price of the model llama is unknown/)
  t.end()
})

t.test('no usage within the worst case costs more than it', t => {
  const models = Object.keys(prices.models)
  const usage = fc.record({
    bytes: fc.nat(400_000),
    outputTokens: fc.nat(10_000),
    shares: fc.tuple(fc.float({ min: 0, max: 1, noNaN: true }), fc.float({ min: 0, max: 1, noNaN: true })),
    model: fc.constantFrom(...models),
  })
  fc.assert(
    fc.property(usage, ({ bytes, outputTokens, shares: [share, cached], model }) => {
      const inputTokens = Math.floor(bytes * share)
      const used = { inputTokens, outputTokens, cachedTokens: Math.floor(inputTokens * cached) }
      const most = worstCase({ bytes, outputTokens, models: [model, 'gpt-5-nano'], prices })
      const cost = costOf(used, model, prices)
      return Number.isSafeInteger(cost) && cost <= most.microUsd
    }),
  )
  t.end()
})

t.test('a model without a price is refused with the remedy, which works', t => {
  const { kind, message } = faultOf(() => priceOf('constructor', prices))
  t.equal(kind, 'misconfigured')
  t.match(message, /the model constructor is unknown \(prices as of 2\S+\); add it to the file in AI_PRICES_FILE/)
  const file = /\{.*\}\}\}/.exec(message)?.[0] ?? ''
  t.same(priceOf('constructor', parsePrices(file, prices)), { input: 0.25, cachedInput: 0.025, output: 2 })
  t.end()
})

t.test('a file adds and replaces models; its first fault is named', t => {
  const file = { asOf: '2026-11-30', models: { 'gpt-4o': { input: 1, output: 2 }, local: { input: 0, output: 0 } } }
  const both = parsePrices(JSON.stringify(file), prices)
  t.equal(both.asOf, '2026-11-30')
  t.equal(
    costOf({ inputTokens: 10, outputTokens: 10, cachedTokens: 5 }, 'gpt-4o', both),
    30,
    'no rate for cached input',
  )
  t.equal(costOf({ inputTokens: 10, outputTokens: 10 }, 'local', both), 0)
  t.same(priceOf('o3', both), priceOf('o3', prices))
  const bad: [string, RegExp][] = [
    ['{', /it is no JSON/],
    ['{"models":{}}', /asOf:/],
    ['{"asOf":"yesterday","models":{}}', /asOf:/],
    ['{"asOf":"2026-11-30","models":{"a":{"input":1}}}', /models\.a\.output:/],
    ['{"asOf":"2026-11-30","models":{"a":{"input":-1,"output":1}}}', /models\.a\.input:/],
    ['{"asOf":"2026-11-30","models":{"a":{"input":150000,"output":600000}}}', /models\.a\.input:/],
    ['{"asOf":"2026-11-30","models":{"a":{"input":1,"output":1,"cached":1}}}', /cached/],
  ]
  for (const [text, message] of bad)
    t.match(
      faultOf(() => parsePrices(text, prices)),
      { kind: 'misconfigured', message },
    )
  t.end()
})

function faultOf(what: () => unknown): MailError {
  try {
    what()
  } catch (error) {
    if (error instanceof MailError) return error
  }
  throw new Error('no fault')
}
