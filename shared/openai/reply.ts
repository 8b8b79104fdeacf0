import { z } from 'zod'

/** What a completion says. `text` is the answer; otherwise there is none, and `finish` says why. */
export interface Reply {
  text?: string
  finish?: 'refused' | 'cut' | 'filtered'
  usage?: { inputTokens: number; outputTokens: number; cachedTokens?: number }
  isFlex: boolean
}

const partSchema = z.object({ text: z.string().optional(), refusal: z.string().optional() })
const completionSchema = z.object({
  choices: z
    .array(
      z.object({
        finish_reason: z.string().nullish(),
        message: z.object({
          content: z.union([z.string(), z.array(partSchema)]).nullish(),
          refusal: z.string().nullish(),
        }),
      }),
    )
    .min(1),
  service_tier: z.string().nullish().catch(undefined),
})
const count = z.int().min(0)
const usageSchema = z.object({
  usage: z.object({
    prompt_tokens: count,
    completion_tokens: count,
    prompt_tokens_details: z.object({ cached_tokens: count.nullish() }).nullish().catch(undefined),
  }),
})

/** Reads the answer of a host. Returns `undefined` for anything that is no completion, or one that failed midway. */
export function replyIn(answer: unknown): Reply | undefined {
  const [choice] = completionSchema.safeParse(answer).data?.choices ?? []
  if (choice === undefined || choice.finish_reason === 'error') return undefined
  const { content, refusal } = choice.message
  const parts = Array.isArray(content) ? content : []
  const text = typeof content === 'string' ? content : parts.map(part => part.text ?? '').join('')
  const isRefused = (refusal ?? '') !== '' || parts.some(part => (part.refusal ?? '') !== '')
  const finish = isRefused ? 'refused' : FINISHES.get(choice.finish_reason ?? '')
  const reported = usageIn(answer)
  return {
    ...(finish === undefined ? { text } : { finish }),
    ...(reported === undefined ? {} : { usage: reported }),
    isFlex: completionSchema.safeParse(answer).data?.service_tier === 'flex',
  }
}

/** Reads what a host reports of a request, even where its answer is none. */
export function usageIn(answer: unknown): Reply['usage'] {
  const usage = usageSchema.safeParse(answer).data?.usage
  if (usage === undefined) return undefined
  const cachedTokens = usage.prompt_tokens_details?.cached_tokens ?? undefined
  return {
    inputTokens: usage.prompt_tokens,
    outputTokens: usage.completion_tokens,
    ...(cachedTokens === undefined ? {} : { cachedTokens }),
  }
}

const FINISHES: ReadonlyMap<string, 'refused' | 'cut' | 'filtered'> = new Map([
  ['length', 'cut'],
  ['max_tokens', 'cut'],
  ['content_filter', 'filtered'],
  ['refusal', 'refused'],
])

// Checking an answer takes time that grows with it; none that a person reads is longer.
const LONGEST_ANSWER = 1 << 20

/**
 * Parses the object in an answer of up to 1 MiB; hosts without schemas write it after thoughts, or in a fence. Returns `undefined` where
 * there is none.
 */
export function objectIn(text: string): unknown {
  if (text.length > LONGEST_ANSWER) return undefined
  const thought = text.lastIndexOf('</think>')
  const answer = (thought < 0 ? text : text.slice(thought + '</think>'.length)).trim()
  const isFenced = answer.startsWith('```') && answer.endsWith('```') && answer.includes('\n')
  try {
    return JSON.parse(isFenced ? answer.slice(answer.indexOf('\n'), -3) : answer)
  } catch {
    return undefined
  }
}
