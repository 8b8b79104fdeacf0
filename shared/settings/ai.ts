import { z } from 'zod'
import { between, decimal, dollars, flag, list, oneOf, since, unspaced, url, whole } from './kinds.ts'
import { faultOfWebhookSecret, faultOfWebhookUrl } from './webhook.ts'

/** The settings of tasks, of the sink that sends them, and of what a model may cost. */
export const AI_SETTINGS = {
  TASK_TOKENS: whole(100, 10_000_000, 8000),
  TASK_TOKEN_FACTOR: decimal(0.5, 4, 1),
  PROMPT_VERSION: z.string().default('1'),
  AI_MODEL: list,
  AI_SINK: oneOf(['stream', 'webhook', 'openai'], 'stream'),
  AI_CONCURRENCY: whole(1, 1000, 3),
  AI_TIMEOUT_MS: whole(1000, 3_600_000, 120_000),
  AI_OUTPUT_TOKENS: whole(16, 1_000_000, 2000),
  AI_PROMPT_FILE: z.string().optional(),
  AI_SCHEMA_FILE: z.string().optional(),
  AI_PRICES_FILE: z.string().optional(),
  AI_REDACT: flag,
  AI_BULK: oneOf(['now', 'flex'], 'now'),
  AI_BUDGET_USD_PER_DAY: dollars,
  AI_BUDGET_USD_PER_MAILBOX_PER_DAY: dollars,
  AI_CONFIRM_OVER_USD: dollars,
  AI_REQUESTS_PER_MINUTE: between(1, 10_000_000).optional(),
  AI_TOKENS_PER_MINUTE: between(1000, 1_000_000_000_000).optional(),
  RESULT_RETENTION: whole(60, 31_536_000, 2_592_000),
  OPENAI_API_KEY: unspaced('one key, without white space in it').optional(),
  OPENAI_BASE_URL: url(['https:', 'http:']),
  WEBHOOK_URL: url(['https:', 'http:']),
  WEBHOOK_SECRET: list,
  WEBHOOK_ALLOW_PRIVATE: flag,
  AI_SINCE: since,
  AI_MAX_PER_RUN: between(1, 1_000_000_000).optional(),
  AI_DEBOUNCE_MS: whole(0, 86_400_000, 0),
}

// A rotation needs the new secret and the old one.
const MOST_SECRETS = 2

type AiSettings = z.infer<z.ZodObject<typeof AI_SETTINGS>>

/** Returns the settings that the chosen sink needs and lacks, each with what to set it to. */
export function lacksOf(given: AiSettings): [string, string][] {
  const { AI_SINK, WEBHOOK_URL, WEBHOOK_SECRET, OPENAI_API_KEY, OPENAI_BASE_URL, AI_MODEL } = given
  const needed: [boolean, string, string][] = [
    [AI_SINK === 'webhook' && WEBHOOK_URL === undefined, 'WEBHOOK_URL', 'the address that receives tasks'],
    [AI_SINK === 'webhook' && WEBHOOK_SECRET.length === 0, 'WEBHOOK_SECRET', 'the secret that signs tasks'],
    [AI_SINK === 'openai' && AI_MODEL.length === 0, 'AI_MODEL', 'the name of a model'],
    [
      AI_SINK === 'openai' && OPENAI_API_KEY === undefined && OPENAI_BASE_URL === undefined,
      'OPENAI_API_KEY',
      'the key of the host, or OPENAI_BASE_URL for a host that needs none',
    ],
  ]
  const base = OPENAI_BASE_URL === undefined ? undefined : new URL(OPENAI_BASE_URL)
  if (base && `${base.username}${base.password}` !== '')
    return [['OPENAI_BASE_URL', 'an address without a user name and a password; the key belongs in OPENAI_API_KEY']]
  const lacking = needed.flatMap(([lacks, name, what]): [string, string][] =>
    lacks ? [[name, `${what}, because AI_SINK is ${AI_SINK}`]] : [],
  )
  return [...lacking, ...faultsOfWebhook(given)]
}

function faultsOfWebhook({ WEBHOOK_URL, WEBHOOK_SECRET, WEBHOOK_ALLOW_PRIVATE }: AiSettings): [string, string][] {
  const address = WEBHOOK_URL && faultOfWebhookUrl(WEBHOOK_URL, { allowPrivate: WEBHOOK_ALLOW_PRIVATE })
  const secret = WEBHOOK_SECRET.map(faultOfWebhookSecret).find(fault => fault !== undefined)
  const found: [string, string][] = [
    ...(address ? [['WEBHOOK_URL', `another one: it ${address}`] as [string, string]] : []),
    ...(secret ? [['WEBHOOK_SECRET', `another one: it ${secret}`] as [string, string]] : []),
  ]
  return WEBHOOK_SECRET.length > MOST_SECRETS
    ? [...found, ['WEBHOOK_SECRET', 'two secrets at most: the new one, then the old one']]
    : found
}
