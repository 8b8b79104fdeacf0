import { z } from 'zod'
import { MailError } from '../error.ts'
import { ownOf } from '../own.ts'

// Up to a thousand dollars per million tokens: more is a mistake of units.
const rate = z.number().min(0).max(1000)
const rates = { input: rate, cachedInput: rate.optional(), output: rate }
const priceSchema = z.strictObject({
  ...rates,
  /** The rates of a whole request with more than `above` input tokens. */
  long: z.strictObject({ above: z.int().min(1), ...rates }).optional(),
})
const pricesSchema = z.strictObject({ asOf: z.iso.date(), models: z.record(z.string().min(1), priceSchema) })

/** The price of a model in US dollars per million tokens. Cached input costs as much as other input where it has no rate. */
export type Price = z.infer<typeof priceSchema>

/** Prices by the name of the model, as of a date such as `2026-07-24`. */
export type Prices = z.infer<typeof pricesSchema>

/** The tokens of a request, as its host reports them. `cachedTokens` are part of the input. */
export interface Usage {
  inputTokens: number
  outputTokens: number
  cachedTokens?: number
}

/** What a request may cost at most: whole millionths of a US dollar, and tokens. */
export interface WorstCase {
  microUsd: number
  tokens: number
}

/** Parses the text of a prices file; a model that it names replaces that of `base`. Throws `misconfigured`, naming the first fault. */
export function parsePrices(text: string, base: Prices): Prices {
  const parsed = pricesSchema.safeParse(jsonOf(text))
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw fault(`${issue?.path.join('.') || 'the file'}: ${issue?.message}`)
  }
  return { asOf: parsed.data.asOf, models: { ...base.models, ...parsed.data.models } }
}

/** Returns the price of a model. Throws `misconfigured` with the remedy where it is unknown: a budget cannot hold without a price. */
export function priceOf(model: string, prices: Prices): Price {
  const price = ownOf(prices.models, model)
  if (price) return price
  throw new MailError(
    'misconfigured',
    `the price of the model ${model} is unknown (prices as of ${prices.asOf}); add it to the file in AI_PRICES_FILE: ${example(model)}`,
  )
}

/**
 * Returns what a request may cost at most, at the dearest of its models. No tokenizer makes more tokens than a text has UTF-8 bytes, so all
 * bytes count as input. Throws `misconfigured` for a model without a price.
 */
export function worstCase(of: {
  bytes: number
  outputTokens: number
  models: readonly string[]
  prices: Prices
}): WorstCase {
  const { bytes, outputTokens, models, prices } = of
  const costs = models.map(model => costOf({ inputTokens: bytes, outputTokens }, model, prices))
  return { microUsd: Math.max(0, ...costs), tokens: bytes + outputTokens }
}

/** Returns the cost of a request in whole millionths of a US dollar, rounded up. Throws `misconfigured` for a model without a price. */
export function costOf({ inputTokens, outputTokens, cachedTokens = 0 }: Usage, model: string, prices: Prices): number {
  const { long, ...short } = priceOf(model, prices)
  const { input, cachedInput = input, output } = long && inputTokens > long.above ? long : short
  const cached = Math.min(cachedTokens, inputTokens)
  // A dollar per million tokens is a millionth of a dollar per token. Rounding hides what binary fractions add to rates such as 0.1.
  const microUsd = (inputTokens - cached) * input + cached * cachedInput + outputTokens * output
  return Math.ceil(Number(microUsd.toFixed(6)))
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw fault('it is no JSON')
  }
}

function fault(what: string): MailError {
  return new MailError(
    'misconfigured',
    `the prices file in AI_PRICES_FILE is not usable: ${what}; it should look like ${example('my-model')}`,
  )
}

function example(model: string): string {
  const price: Price = { input: 0.25, cachedInput: 0.025, output: 2 }
  return `${JSON.stringify({ asOf: '2026-07-24', models: { [model]: price } })} (US dollars per million tokens)`
}
