import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type FixtureResponse, LLMock } from '@copilotkit/aimock'
import type { Test } from 'tap'
import type { SinkCall } from '../../shared/ai/sink.ts'
import { openHttp } from '../../shared/http/exchange.ts'
import { createOpenAiSink, type OpenAiSinkOptions } from '../../shared/openai/sink.ts'
import type { Task } from '../../shared/task/schema.ts'
import { answerIn, callWith, recordedSpending, taskOf } from './ai.ts'

/** A key that no error may show. */
export const KEY = 'sk-secret-0123456789'
/** The text of the mail of `TASK`, which no error may show either. */
export const TEXT = 'We decided to launch on Friday. Bo sends the deck by 4 December.'
export const TASK = taskOf([TEXT])
/** An answer that `TEXT` supports. */
export const GOOD = {
  summary: 'The launch is on Friday.',
  decisions: [{ decision: 'Launch on Friday', message: 'm1', quote: 'We decided to launch on Friday.' }],
  actionItems: [
    {
      action: 'Send the deck',
      owner: 'Bo',
      dueDate: '2026-12-04',
      timeZone: 'Europe/Berlin',
      message: 'm1',
      quote: 'Bo sends the deck by 4 December.',
    },
  ],
  risks: [],
  openQuestions: [],
  urgency: 'normal',
  suggestedReply: null,
}
export const USAGE = { prompt_tokens: 1000, completion_tokens: 50 }

type More = Partial<OpenAiSinkOptions>

/** Opens sinks at a base URL, with prices of a millionth per input token and four per output token. */
export function sinksAt(t: Test, baseUrl: string) {
  const http = openHttp({ https: undefined, http: undefined, except: [] })
  t.teardown(() => http.close())
  const open = (more: More = {}) =>
    createOpenAiSink({
      apiKey: KEY,
      baseUrl,
      models: ['model-a'],
      promptVersion: '7',
      outputTokens: 500,
      worstCase: (bytes, outputTokens) => ({ microUsd: bytes + outputTokens * 4, tokens: bytes + outputTokens }),
      costOf: ({ inputTokens, outputTokens, cachedTokens = 0 }) => inputTokens - cachedTokens + outputTokens * 4,
      redact: false,
      timeoutMs: 20_000,
      http,
      ...more,
    })
  const ask = async (more: More & { task?: Task; call?: Partial<SinkCall> } = {}) => {
    const { task = TASK, call, ...options } = more
    const { spending, booked } = recordedSpending()
    const sent = await open(options)
      .send(task, callWith(spending, call))
      .then(answerIn)
      .catch(error => ({ error }))
    return { sent, booked }
  }
  return { open, ask }
}

/** Opens aimock, which answers requests for a model by its name, in order; the last answer repeats. */
export async function mockHost(t: Test, answers: Record<string, readonly FixtureResponse[]> = {}, path = '/v1') {
  const mock = new LLMock({ port: 0, host: '127.0.0.1' })
  for (const [model, responses] of Object.entries(answers)) {
    for (const [index, response] of responses.entries()) {
      const isLast = index === responses.length - 1
      mock.addFixture({ match: { model, ...(isLast ? {} : { sequenceIndex: index }) }, response })
    }
  }
  await mock.start()
  t.teardown(() => mock.stop())
  const bodies = () => mock.getRequests().map(({ body }) => body as unknown as SentBody)
  return { mock, bodies, ...sinksAt(t, `${mock.url}${path}`) }
}

/** The body of a request as a host gets it. */
export interface SentBody {
  model: string
  messages: { role: string; content: string }[]
  [name: string]: unknown
}

/** Opens a host that answers with this status, text and headers, for what aimock does not have. */
export async function rawHost(
  t: Test,
  answer: (
    body: SentBody,
    request: IncomingMessage,
  ) => { status?: number; text?: string; headers?: Record<string, string> },
) {
  const bodies: SentBody[] = []
  const server = createServer(async (request, response) => {
    let text = ''
    for await (const chunk of request) text += chunk
    const body = JSON.parse(text)
    bodies.push(body)
    const { status = 200, text: reply = '', headers = {} } = answer(body, request)
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(reply)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  return { bodies, ...sinksAt(t, `http://127.0.0.1:${port}/v1`) }
}

/** A completion of these fields. */
export function completion(choice: object, more: object = { usage: USAGE }): string {
  return JSON.stringify({ id: 'c1', object: 'chat.completion', choices: [{ index: 0, ...choice }], ...more })
}

/** An error as hosts write it. */
export function hostError(status: number, code: string, message = 'no'): FixtureResponse {
  return { error: { message, type: code, code }, status }
}

/** The answer of a model, as JSON. */
export function says(content: unknown, more: object = {}): FixtureResponse {
  return { content: typeof content === 'string' ? content : JSON.stringify(content), usage: USAGE, ...more }
}
