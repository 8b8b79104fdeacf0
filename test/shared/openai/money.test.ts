import { getEventListeners } from 'node:events'
import t from 'tap'
import { answerIn, callWith, recordedSpending } from '../../support/ai.ts'
import { completion, GOOD, hostError, mockHost, rawHost, says, sinksAt, TASK } from '../../support/model-host.ts'

t.test('a request is reserved by its size before it leaves, and settled with what the host reports', async t => {
  const { mock, open } = await mockHost(t, { 'model-a': [says(GOOD)] })
  const { spending, booked } = recordedSpending()
  await open().send(TASK, callWith(spending, { lane: 'bulk' }))
  const { of, steps, used } = booked[0] ?? {}
  const { _endpointType, ...body } = (mock.getRequests()[0]?.body ?? {}) as Record<string, unknown>
  const bytes = Number(mock.getRequests()[0]?.headers['content-length'])
  t.equal(bytes, Buffer.byteLength(JSON.stringify(body)))
  t.same(of, {
    mailbox: 'gmail:ana@example.com',
    task: TASK.task,
    lane: 'bulk',
    microUsd: bytes + 2000,
    tokens: bytes + 500,
  })
  t.same(steps, ['reserved', 'sent', 'settled'])
  t.same(used, { microUsd: 1200, tokens: 1050 })
})

t.test('a refused reservation sends nothing, and waits until the limit ends', async t => {
  const { mock, open } = await mockHost(t, { 'model-a': [says(GOOD)] })
  const untilMs = Date.UTC(2026, 11, 1)
  for (const why of ['day-budget', 'mailbox-budget', 'requests', 'tokens'] as const) {
    const spending = { reserve: async () => ({ outcome: 'wait' as const, untilMs, why }) }
    await t.rejects(open().send(TASK, callWith(spending)), {
      kind: 'throttled',
      retryAfterMs: 24 * 3_600_000,
      isRateLimit: false,
      message: /AI_/,
    })
  }
  t.equal(mock.getRequests().length, 0)
})

t.test('an expired reservation is made again before the request leaves', async t => {
  const { mock, open } = await mockHost(t, { 'model-a': [says(GOOD)] })
  let tries = 0
  const { spending, booked } = recordedSpending({ sent: async () => ++tries > 1 })
  t.match(answerIn(await open().send(TASK, callWith(spending))), { finish: 'answered' })
  t.same(
    booked.map(({ steps }) => steps),
    [
      ['reserved', 'sent'],
      ['reserved', 'sent', 'settled'],
    ],
  )
  const never = recordedSpending({ sent: async () => false })
  await t.rejects(open().send(TASK, callWith(never.spending)), { kind: 'throttled', message: /expire/ })
  t.equal(mock.getRequests().length, 1)
})

t.test('a host that reports more than was reserved stops the sink', async t => {
  const { open } = await mockHost(t, {
    'model-a': [says(GOOD, { usage: { prompt_tokens: 900_000, completion_tokens: 50 } })],
  })
  const { spending } = recordedSpending()
  await t.rejects(open().send(TASK, callWith(spending)), {
    kind: 'misconfigured',
    message: /more .* than was reserved/,
  })
})

t.test('only what surely costs nothing is given back', async t => {
  const nothing = { microUsd: 0, tokens: 0 }
  const table: [number, object | undefined][] = [
    [400, nothing],
    [401, nothing],
    [404, nothing],
    [429, nothing],
    [503, nothing],
    [408, undefined],
    [500, undefined],
    [502, undefined],
    [504, undefined],
  ]
  for (const [status, used] of table) {
    const { ask } = await mockHost(t, { 'model-a': [hostError(status, 'x')] })
    const { booked } = await ask()
    t.same(
      booked.map(book => book.used),
      [used],
      `${status}`,
    )
    t.same(booked[0]?.steps, ['reserved', 'sent', 'settled'])
  }
  const { booked } = await sinksAt(t, 'http://127.0.0.1:1/v1').ask()
  t.same(
    booked.map(book => book.used),
    [nothing],
    'no connection',
  )
})

t.test('an answer without usage keeps its worst case, and states no cost', async t => {
  for (const usage of [
    undefined,
    null,
    {},
    { prompt_tokens: -1, completion_tokens: 1 },
    { prompt_tokens: 1e300, completion_tokens: 1 },
  ]) {
    const text = completion({ finish_reason: 'stop', message: { content: JSON.stringify(GOOD) } }, { usage })
    const { ask } = await rawHost(t, () => ({ text }))
    const { sent, booked } = await ask()
    t.match(sent, { finish: 'answered' })
    t.notOk('usage' in sent || 'costMicroUsd' in sent)
    t.same(
      booked.map(book => book.used),
      [undefined],
    )
  }
})

t.test('usage of an answer that is none is settled', async t => {
  const { ask } = await rawHost(t, () => ({
    text: JSON.stringify({ choices: [], usage: { prompt_tokens: 10, completion_tokens: 5 } }),
  }))
  t.same(
    (await ask()).booked.map(book => book.used),
    [{ microUsd: 30, tokens: 15 }],
  )
})

t.test('an aborted call gives its reservation back, or stays counted once sent', async t => {
  const { mock, open } = await mockHost(t, { 'model-a': [says(GOOD)] })
  const early = recordedSpending()
  await t.rejects(open().send(TASK, callWith(early.spending, { signal: AbortSignal.abort() })), {
    kind: 'unavailable',
    message: /aborted/,
  })
  t.same(
    early.booked.map(({ steps }) => steps),
    [['reserved', 'released']],
  )
  t.equal(mock.getRequests().length, 0)
  mock.setChaos({ latencyMs: 20_000 })
  const late = recordedSpending()
  const controller = new AbortController()
  const sending = open({ models: ['model-a', 'model-b'] }).send(
    TASK,
    callWith(late.spending, { signal: controller.signal }),
  )
  while (!late.booked[0]?.steps.includes('sent')) await new Promise(resolve => setTimeout(resolve, 5))
  const aborted = performance.now()
  controller.abort()
  await t.rejects(sending, { kind: 'unavailable', message: /aborted/ })
  t.ok(performance.now() - aborted < 10_000, 'at once, and not at the time limit')
  t.same(
    late.booked.map(({ steps, used }) => [steps, used]),
    [[['reserved', 'sent', 'settled'], undefined]],
  )
})

t.test('a signal that lives long keeps no listeners of ended requests', async t => {
  const { open } = await mockHost(t, { 'model-a': [says(GOOD)] })
  const sink = open()
  const { signal } = new AbortController()
  for (let times = 0; times < 3; times++) await sink.send(TASK, callWith(recordedSpending().spending, { signal }))
  t.same(getEventListeners(signal, 'abort'), [])
})

t.test('the flex lane is asked for bulk tasks, and priced as the host says it served', async t => {
  for (const [lane, tier] of [
    ['bulk', 'flex'],
    ['bulk', 'default'],
    ['live', 'default'],
  ] as const) {
    const message = { content: JSON.stringify(GOOD) }
    const { bodies, ask } = await rawHost(t, () => ({
      text: completion(
        { finish_reason: 'stop', message },
        { usage: { prompt_tokens: 1000, completion_tokens: 0 }, service_tier: tier },
      ),
    }))
    const costOf = ({ inputTokens }: { inputTokens: number }, _: string, isFlex: boolean) =>
      inputTokens / (isFlex ? 2 : 1)
    const { sent } = await ask({ isFlex: true, costOf, call: { lane } })
    t.match(sent, { costMicroUsd: tier === 'flex' ? 500 : 1000 })
    t.equal(bodies[0]?.service_tier, lane === 'bulk' ? 'flex' : undefined)
  }
})
