import { LLMock } from '@copilotkit/aimock'
import t from 'tap'
import { testMail } from '../support/mail.ts'
import { inTurn, lastJson } from '../support/processes.ts'
import { setUpForProcesses } from '../support/stage-processes.ts'

const THREADS = 12
const MESSAGES = 30
const ANSWER = {
  summary: 'Ana and Bo agree.',
  decisions: [{ decision: 'Paint it blue', message: 'm1', quote: 'words that nobody wrote' }],
  actionItems: [],
  risks: [],
  openQuestions: [],
  urgency: 'normal',
  suggestedReply: 'See https://evil.example/?q=secret and ![x](https://evil.example/p.png)',
}

const { environment, sim, redis } = await setUpForProcesses(t, {
  profile: 'instant',
  messages: MESSAGES,
  threads: THREADS,
})
const model = await modelWith(50)
const settings = {
  ...environment,
  AI_SINK: 'openai',
  AI_CONCURRENCY: '20',
  AI_MODEL: 'gpt-5-mini',
  OPENAI_API_KEY: 'sk-test-0123456789',
  OPENAI_BASE_URL: `${model.url}/v1`,
}

t.test('each thread is analysed once, a second run spends nothing, and a reply analyses its thread alone', async t => {
  const first = await inTurn(['up', '--once', '--json'], settings)
  t.match(lastJson(first), { ok: true, threads: THREADS, tasks: THREADS }, first.stderr)
  t.equal(model.getRequests().length, THREADS)
  t.notMatch(first.stderr, 'Warning')
  await inTurn(['up', '--once', '--json'], settings)
  t.equal(model.getRequests().length, THREADS, 'nothing is asked again')
  sim.deliver('ana@example.com', testMail(MESSAGES, THREADS))
  await inTurn(['up', '--once', '--json'], settings)
  t.equal(model.getRequests().length, THREADS + 1)
  const entries = await Promise.all(
    (await redis.client.keys('*:s:analysis-results*')).map(key => redis.client.xlen(key)),
  )
  t.equal(
    entries.reduce((sum, count) => sum + count, 0),
    THREADS + 1,
  )
})

t.test('what no mail says never reaches an answer', async t => {
  const keys = await redis.client.keys('*:s:analysis-results*')
  const all = JSON.stringify(await Promise.all(keys.map(key => redis.client.xrange(key, '-', '+'))))
  t.match(all, 'Ana and Bo agree.')
  for (const invented of ['nobody wrote', 'evil.example', 'Paint it blue']) t.notMatch(all, invented)
  const thread = /\\"thread\\":\\"([^\\]+)\\"/.exec(all)?.[1] ?? ''
  const shown = await inTurn(['result', thread], settings)
  t.match(shown.stdout, /answered by gpt-5-mini.*\n.*500 tokens in.*\n.*\$0.000225\n.*items 1, links 1, images 1\n/)
})

t.test('a spent budget lets tasks wait until the next day, and status says so', async t => {
  for (let index = 100; index < 106; index += 1) sim.deliver('ana@example.com', testMail(index, 1000))
  // An answer costs $0.0031, and its worst case is above $0.0040.
  const dear = await modelWith(1500)
  const budget = { AI_BUDGET_USD_PER_DAY: '0.02', OPENAI_BASE_URL: `${dear.url}/v1` }
  const once = await inTurn(['up', '--once'], { ...settings, ...budget })
  t.equal(once.code, 0, once.stderr)
  const asked = dear.getRequests().length
  t.ok(asked >= 3 && asked < 6, `${asked} of 6 were asked`)
  t.match(once.stdout, `${6 - asked} tasks wait for the sink`)
  const status = await inTurn(['status'], { ...settings, ...budget })
  t.match(status.stdout, /the budget of the day until \d{4}-\d\d-\d\d 00:00 UTC/)
  t.match((await inTurn(['status'], environment)).stdout, `${6 - asked} tasks wait for a sink, and AI_SINK is stream`)
  const resumed = await inTurn(['ai', 'resume'], { ...settings, ...budget })
  t.match(resumed.stdout, `${6 - asked} waiting tasks ask again`)
  const raised = { ...budget, AI_BUDGET_USD_PER_DAY: '1' }
  await inTurn(['up', '--once'], { ...settings, ...raised })
  t.equal(dear.getRequests().length, 6, 'a higher budget lets them go')
})

async function modelWith(outputTokens: number): Promise<LLMock> {
  const mock = new LLMock({ port: 0, host: '127.0.0.1' })
  await mock.start()
  t.teardown(() => mock.stop())
  mock.on({}, { content: ANSWER, usage: { prompt_tokens: 500, completion_tokens: outputTokens } } as never)
  return mock
}
