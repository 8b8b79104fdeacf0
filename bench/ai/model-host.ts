import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A host of a model that answers every task, and counts. */
export interface ModelHost {
  url: string
  /** Resolves so many minutes after the first request. */
  untilMinutes(minutes: number): Promise<void>
  /** What came in the first so many minutes after the first request; the most in any minute; the tasks that came more than once. */
  counts(minutes: number): {
    requests: number
    tokens: number
    worst: { requests: number; tokens: number }
    repeats: number
  }
  close(): Promise<void>
}

const MINUTE_MS = 60_000
const LEAST_MS = 50
const SPREAD_MS = 150
const ANSWER = {
  summary: 'Bo writes.',
  decisions: [],
  actionItems: [],
  risks: [],
  openQuestions: [],
  urgency: 'low',
  suggestedReply: null,
}

/** Starts a host on loopback that answers within a fifth of a second, with between a tenth and all of the output tokens. */
export async function startModelHost({ outputTokens }: { outputTokens: number }): Promise<ModelHost> {
  const seen: { at: number; tokens: number }[] = []
  const tasks = new Map<string, number>()
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString()
      const usage = {
        // About what a tokenizer makes of it.
        prompt_tokens: Math.ceil(text.length / 4),
        completion_tokens: Math.ceil(outputTokens * (0.1 + 0.9 * Math.random())),
      }
      seen.push({ at: performance.now(), tokens: usage.prompt_tokens + usage.completion_tokens })
      const topic = /Topic \d+/.exec(text)?.[0] ?? ''
      tasks.set(topic, (tasks.get(topic) ?? 0) + 1)
      const message = { role: 'assistant', content: JSON.stringify(ANSWER), refusal: null }
      const choices = [{ index: 0, message, finish_reason: 'stop', logprobs: null }]
      const body = { id: 'c', object: 'chat.completion', created: 0, model: 'gpt-5-mini', choices, usage }
      setTimeout(
        () => response.setHeader('content-type', 'application/json').end(JSON.stringify(body)),
        LEAST_MS + SPREAD_MS * Math.random(),
      )
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const firstAt = () => seen[0]?.at ?? Number.POSITIVE_INFINITY

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async untilMinutes(minutes) {
      while (performance.now() < firstAt() + minutes * MINUTE_MS) await new Promise(resolve => setTimeout(resolve, 100))
    },
    counts(minutes) {
      const within = seen.filter(({ at }) => at < firstAt() + minutes * MINUTE_MS)
      return {
        requests: within.length,
        tokens: sumOf(within),
        worst: worstMinute(within),
        repeats: [...tasks.values()].filter(count => count > 1).length,
      }
    },
    close: () =>
      new Promise(resolve => {
        server.closeAllConnections()
        server.close(() => resolve())
      }),
  }
}

function worstMinute(seen: readonly { at: number; tokens: number }[]): { requests: number; tokens: number } {
  const worst = { requests: 0, tokens: 0 }
  let [first, tokens] = [0, 0]
  for (const [last, one] of seen.entries()) {
    tokens += one.tokens
    for (let oldest = seen[first]; oldest && one.at - oldest.at >= MINUTE_MS; oldest = seen[first]) {
      tokens -= oldest.tokens
      first += 1
    }
    worst.requests = Math.max(worst.requests, last - first + 1)
    worst.tokens = Math.max(worst.tokens, tokens)
  }
  return worst
}

function sumOf(seen: readonly { tokens: number }[]): number {
  return seen.reduce((sum, { tokens }) => sum + tokens, 0)
}
