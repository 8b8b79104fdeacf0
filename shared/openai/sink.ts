import { PROJECT_INSTRUCTIONS, PROJECT_SCHEMA } from '../ai/project-schema.ts'
import { systemMessage } from '../ai/prompt.ts'
import { faultOfSchema } from '../ai/schema-faults.ts'
import type { Sink } from '../ai/sink.ts'
import { MailError } from '../error.ts'
import type { Http } from '../http/exchange.ts'
import { type Host, type ModelUsage, openAsking } from './asking.ts'
import { openClient } from './client.ts'
import { dialectOf } from './request.ts'
import { createValidator } from './validator.ts'

/** How a model is asked. */
export interface OpenAiSinkOptions {
  apiKey: string
  /** OpenAI's by default. */
  baseUrl?: string | undefined
  /** The first is preferred; each next one stands in where those before it are missing, overloaded or too small. */
  models: readonly string[]
  /** What to write; by default for a project manager. */
  instructions?: string | undefined
  /** The JSON schema of the answer, in the subset of `faultOfSchema`; by default the one of those instructions. */
  schema?: unknown
  promptVersion: string
  /** The most tokens of an answer, thoughts included. */
  outputTokens: number
  /** Returns what a request of so many UTF-8 bytes may cost at most, at the dearest of the models. */
  worstCase(bytes: number, outputTokens: number): { microUsd: number; tokens: number }
  /** Returns the cost of a request in millionths of a US dollar; `isFlex` is what the host reports. */
  costOf(usage: ModelUsage, model: string, isFlex: boolean): number
  /** Sends placeholders instead of e-mail addresses, phone numbers and card numbers; they are put back in the answer. */
  redact: boolean
  /** The longest wait for one answer. */
  timeoutMs: number
  /** Asks for the slower lane at half the price, for work of the lane `bulk`. */
  isFlex?: boolean | undefined
  http: Http
}

const OPENAI = 'https://api.openai.com/v1'
// Keywords about the schema itself; hosts refuse them.
const AT_ROOT = ['$schema', '$id', '$comment']

/**
 * Creates a sink that asks a model for each task: one request, one more to repair an answer that does not match, and each again for another
 * model of the list. Every request is reserved before and settled after. Answers hold only what the mail says (`grounding.ts`). Loads the
 * SDK and the validator with the first task. Throws `misconfigured` for a schema that hosts do not enforce.
 */
export function createOpenAiSink(options: OpenAiSinkOptions): Sink {
  const { apiKey, baseUrl = OPENAI, timeoutMs, http, instructions = PROJECT_INSTRUCTIONS } = options
  const schema = sentSchema(options.schema ?? PROJECT_SCHEMA)
  const fixed = {
    system: systemMessage(instructions),
    schema,
    outputTokens: options.outputTokens,
    isFlex: options.isFlex === true,
  }
  let opened: Promise<Host> | undefined

  return {
    async send(task, call) {
      opened ??= open()
      const ask = openAsking(await opened, { task, call })
      return { outcome: 'answered', answer: await ask() }
    },
  }

  async function open(): Promise<Host> {
    const [complete, validate] = await Promise.all([
      openClient({ apiKey, baseUrl, timeoutMs, http }),
      createValidator(schema),
    ])
    const hasDueDates = options.schema === undefined
    return { ...options, fixed, hasDueDates, complete, validate, traits: { dialect: dialectOf(baseUrl), tried: [] } }
  }
}

function sentSchema(schema: unknown): Record<string, unknown> {
  const fault = faultOfSchema(schema)
  if (fault !== undefined) throw new MailError('misconfigured', `the schema in AI_SCHEMA_FILE ${fault}`)
  return Object.fromEntries(Object.entries(schema as object).filter(([name]) => !AT_ROOT.includes(name)))
}
