import { LLMock } from '@copilotkit/aimock'
import t, { type Test } from 'tap'
import { openHttp } from '../../../shared/http/exchange.ts'
import { createOpenAiSink, type OpenAiSinkOptions } from '../../../shared/openai/sink.ts'
import type { Task } from '../../../shared/task/schema.ts'
import { answerIn, callWith, recordedSpending, taskOf } from '../../support/ai.ts'

const KEY = 'sk-secret-0123456789'
const TEXT = 'We decided to launch on Friday. Bo sends the deck by 4 December.'
const GOOD = {
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
const USAGE = { prompt_tokens: 1000, completion_tokens: 50, prompt_tokens_details: { cached_tokens: 600 } }

async function mockFor(t: Test) {
  const mock = new LLMock({ port: 0, host: '127.0.0.1' })
  await mock.start()
  const http = openHttp({ https: undefined, http: undefined, except: [] })
  t.teardown(async () => {
    http.close()
    await mock.stop()
  })
  const open = (more: Partial<OpenAiSinkOptions> = {}) =>
    createOpenAiSink({
      apiKey: KEY,
      baseUrl: `${mock.url}/v1`,
      models: ['model-a'],
      promptVersion: '7',
      outputTokens: 500,
      worstCase: (bytes, outputTokens) => ({ microUsd: bytes + outputTokens * 4, tokens: bytes + outputTokens }),
      costOf: ({ inputTokens, outputTokens, cachedTokens = 0 }) => inputTokens - cachedTokens + outputTokens * 4,
      redact: false,
      timeoutMs: 5000,
      http,
      ...more,
    })
  const ask = async (task: Task = taskOf([TEXT]), more: Partial<OpenAiSinkOptions> = {}) => {
    const { spending, booked } = recordedSpending()
    const sent = open(more).send(task, callWith(spending))
    return { sent, booked }
  }
  return { mock, open, ask }
}

t.test('a task is asked once, and paid as reported', async t => {
  const { mock, ask } = await mockFor(t)
  mock.on({}, { content: GOOD, usage: USAGE } as never)
  const { sent } = await ask()
  const answer = answerIn(await sent)
  t.match(answer, { model: 'model-a', promptVersion: '7', finish: 'answered' })
  t.same(answer.output.decisions, [{ ...GOOD.decisions[0], message: '18c0' }])
  t.equal(mock.getRequests().length, 1)
})
