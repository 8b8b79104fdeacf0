import { LLMock } from '@copilotkit/aimock'
import { encode } from 'gpt-tokenizer/encoding/o200k_base'
import t from 'tap'
import { inTurn, lastJson } from '../support/processes.ts'
import { setUpForProcesses } from '../support/stage-processes.ts'

const THREADS = 12
const PRICE = { input: 0.25, output: 2 }
const OUTPUT = 300

const { environment } = await setUpForProcesses(t, { profile: 'instant', messages: 40, threads: THREADS })
const model = new LLMock({ port: 0, host: '127.0.0.1', logLevel: 'silent' })
model.addFixture({
  match: {},
  response: {
    content: JSON.stringify({
      summary: 'Short.',
      decisions: [],
      actionItems: [],
      risks: [],
      openQuestions: [],
      urgency: 'normal',
      suggestedReply: null,
    }),
    usage: { prompt_tokens: 1000, completion_tokens: OUTPUT, total_tokens: 1000 + OUTPUT },
  },
})
await model.start()
t.teardown(() => model.stop())
const settings = {
  ...environment,
  AI_SINK: 'openai',
  AI_MODEL: 'gpt-5-mini',
  OPENAI_API_KEY: 'sk-test-0123456789',
  OPENAI_BASE_URL: `${model.url}/v1`,
}

interface Row {
  what: string
  threads: number
  inputTokens: number
  microUsd: number
}

async function estimated(what: string): Promise<Omit<Row, 'what'>> {
  const { rows } = lastJson(await inTurn(['estimate', '--json'], settings)) as unknown as { rows: Row[] }
  const some = rows.filter(row => row.what === what)
  const sum = (name: 'threads' | 'inputTokens' | 'microUsd') => some.reduce((all, row) => all + row[name], 0)
  return { threads: sum('threads'), inputTokens: sum('inputTokens'), microUsd: sum('microUsd') }
}

t.test('a costly first sync waits for an approval, and costs what was estimated', { timeout: 200_000 }, async t => {
  const confirm = { ...settings, AI_CONFIRM_OVER_USD: '0.01' }
  const first = await inTurn(['up', '--once'], confirm)
  t.equal(first.code, 0, first.stderr)
  t.equal(model.getRequests().length, 0, 'nothing is sent before the approval')
  const waiting = await estimated('waiting')
  t.equal(waiting.threads, THREADS)
  t.equal((await estimated('known')).threads, THREADS)
  const state = await inTurn(['ai'], confirm)
  const [mailbox = ''] = /gmail:\S+(?=: bulk tasks wait)/.exec(state.stdout) ?? []
  t.match(state.stdout, `\`mailsluice ai approve ${mailbox}\` lets them go`)
  t.equal((await inTurn(['ai', 'approve', mailbox], confirm)).code, 0)

  await inTurn(['up', '--once'], { ...confirm })
  const requests = model.getRequests()
  t.equal(requests.length, THREADS, 'each once')
  const tokens = requests.map(({ body }) => encode(JSON.stringify(body)).length).reduce((sum, one) => sum + one, 0)
  near(waiting.inputTokens, tokens, 'tokens')
  const spent = tokens * PRICE.input + THREADS * OUTPUT * PRICE.output
  near((await estimated('known')).microUsd, spent, 'millionths, once answers show how long they are')

  function near(expected: number, real: number, what: string) {
    t.ok(expected > 0.8 * real && expected < 1.2 * real, `${expected} expected, ${Math.round(real)} ${what}`)
  }
})

t.test('the state and the end of a pause are shown', async t => {
  t.match((await inTurn(['ai', 'resume'], settings)).stdout, /was not paused/)
  const state = await inTurn(['ai', '--json'], settings)
  t.match(lastJson(state), { sink: { sink: 'openai', paused: undefined }, held: [] })
  t.match((await inTurn(['ai', 'approve', 'gmail:nobody@example.com'], settings)).stderr, /is not connected/)
})
