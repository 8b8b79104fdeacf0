import { readFile } from 'node:fs/promises'
import { PRICE_LIST } from '../../../shared/ai/price-list.ts'
import { costOf, type Prices, parsePrices, priceOf, worstCase } from '../../../shared/ai/prices.ts'
import type { Sink } from '../../../shared/ai/sink.ts'
import type { Config } from '../../../shared/config.ts'
import { MailError } from '../../../shared/error.ts'
import type { AppContext } from '../../base/app.ts'

// platform.openai.com/docs/guides/flex-processing: the price of the batch API, which is half.
const FLEX_DISCOUNT = 2

/** Opens the sink that asks a model at an OpenAI-compatible host. Throws `misconfigured` for a file or a price that is missing or wrong. */
export async function openOpenAi({ config, surroundings }: AppContext): Promise<Sink> {
  const { createOpenAiSink } = await import('../../../shared/openai/sink.ts')
  const prices = await readPrices(config)
  const models = config.AI_MODEL
  // A host of one's own may cost nothing. Where money is limited, every model needs a price.
  if (config.OPENAI_BASE_URL === undefined || hasBudget(config)) for (const model of models) priceOf(model, prices)
  const isPriced = models.every(model => Object.hasOwn(prices.models, model))
  return createOpenAiSink({
    apiKey: config.OPENAI_API_KEY ?? 'none',
    baseUrl: config.OPENAI_BASE_URL,
    models,
    instructions: await textOf('AI_PROMPT_FILE', config.AI_PROMPT_FILE),
    schema: await schemaOf(config),
    promptVersion: config.PROMPT_VERSION,
    outputTokens: config.AI_OUTPUT_TOKENS,
    worstCase: (bytes, outputTokens) =>
      isPriced ? worstCase({ bytes, outputTokens, models, prices }) : { microUsd: 0, tokens: bytes + outputTokens },
    costOf: (usage, model, isFlex) =>
      Math.ceil((isPriced ? costOf(usage, model, prices) : 0) / (isFlex ? FLEX_DISCOUNT : 1)),
    redact: config.AI_REDACT,
    timeoutMs: config.AI_TIMEOUT_MS,
    isFlex: config.AI_BULK === 'flex',
    http: surroundings.http,
  })
}

/** Returns the published prices, with those of `AI_PRICES_FILE` over them. Throws `misconfigured` for a file that cannot be used. */
export async function readPrices({ AI_PRICES_FILE }: Pick<Config, 'AI_PRICES_FILE'>): Promise<Prices> {
  const text = await textOf('AI_PRICES_FILE', AI_PRICES_FILE)
  return text === undefined ? PRICE_LIST : parsePrices(text, PRICE_LIST)
}

function hasBudget(config: Config): boolean {
  const { AI_BUDGET_USD_PER_DAY, AI_BUDGET_USD_PER_MAILBOX_PER_DAY, AI_CONFIRM_OVER_USD } = config
  return [AI_BUDGET_USD_PER_DAY, AI_BUDGET_USD_PER_MAILBOX_PER_DAY, AI_CONFIRM_OVER_USD].some(one => one !== undefined)
}

async function schemaOf({ AI_SCHEMA_FILE }: Config): Promise<unknown> {
  const text = await textOf('AI_SCHEMA_FILE', AI_SCHEMA_FILE)
  try {
    return text === undefined ? undefined : JSON.parse(text)
  } catch {
    throw new MailError('misconfigured', `AI_SCHEMA_FILE: ${AI_SCHEMA_FILE} is no JSON`)
  }
}

async function textOf(setting: string, file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined
  return readFile(file, 'utf8').catch(error => {
    throw new MailError(
      'misconfigured',
      `${setting}: ${file} cannot be read (${error.code}); use the name of a readable file`,
    )
  })
}
