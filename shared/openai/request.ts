import { createHash } from 'node:crypto'
import { type PromptMessages, promptMessages } from '../ai/prompt.ts'
import type { ChatRequest } from './client.ts'

/** Parameters that some hosts do not know, and that have another name or none there. */
export const PARAMETERS = ['max_completion_tokens', 'max_tokens', 'prompt_cache_key'] as const
export type Parameter = (typeof PARAMETERS)[number]

/** What is the same in all requests of a sink. */
export interface FixedParts {
  system: string
  schema: Record<string, unknown>
  outputTokens: number
  isFlex: boolean
}

/** The parameters that a host takes. */
export interface Dialect {
  limit: 'max_completion_tokens' | 'max_tokens'
  hasCacheKey: boolean
}

// Reasoning models of OpenAI know only the new name of the output limit. Other hosts may ignore it, and answer without a limit.
const OF_OPENAI = /(?:^|\.)(?:openai\.com|azure\.com)$/

/** Returns the parameters to begin with at a host. */
export function dialectOf(baseUrl: string): Dialect {
  const isOpenAi = URL.canParse(baseUrl) && OF_OPENAI.test(new URL(baseUrl).hostname)
  return { limit: isOpenAi ? 'max_completion_tokens' : 'max_tokens', hasCacheKey: true }
}

/** Returns the dialect without a refused parameter. The output limit only changes its name: without one, no cost is bounded. */
export function withoutParameter(dialect: Dialect, parameter: Parameter): Dialect {
  if (parameter === 'prompt_cache_key') return { ...dialect, hasCacheKey: false }
  return { ...dialect, limit: parameter === 'max_tokens' ? 'max_completion_tokens' : 'max_tokens' }
}

/** Builds a request. Only the content of its last message depends on the task, and no tools are offered. */
export function chatRequest(fixed: FixedParts, of: { model: string; content: string; dialect: Dialect }): ChatRequest {
  const { system, schema, outputTokens, isFlex } = fixed
  const messages: PromptMessages = promptMessages(system, of.content)
  return {
    model: of.model,
    messages: [...messages],
    response_format: { type: 'json_schema', json_schema: { name: 'answer', strict: true, schema } },
    [of.dialect.limit]: outputTokens,
    ...(of.dialect.hasCacheKey ? { prompt_cache_key: cacheKey(fixed) } : {}),
    ...(isFlex ? { service_tier: 'flex' as const } : {}),
  }
}

// Requests with equal beginnings reach the same cache.
function cacheKey({ system, schema }: FixedParts): string {
  return createHash('sha256').update(system).update(JSON.stringify(schema)).digest('hex').slice(0, 32)
}
