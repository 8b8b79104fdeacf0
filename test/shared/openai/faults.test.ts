import type { AddressInfo } from 'node:net'
import { createServer, type Socket } from 'node:net'
import t from 'tap'
import { MailError } from '../../../shared/error.ts'
import { callWith, recordedSpending } from '../../support/ai.ts'
import {
  completion,
  GOOD,
  hostError,
  KEY,
  mockHost,
  rawHost,
  says,
  sinksAt,
  TASK,
  TEXT,
} from '../../support/model-host.ts'

const TWO = ['model-a', 'model-b']
const good = { text: completion({ finish_reason: 'stop', message: { content: JSON.stringify(GOOD) } }) }

function errorIn(sent: object): MailError {
  const error = 'error' in sent ? sent.error : undefined
  if (!(error instanceof MailError)) throw new Error(`no MailError: ${JSON.stringify(sent)}`)
  return error
}

t.test('the next model stands in for one that is missing, overloaded, too small or broken', async t => {
  const faults = {
    missing: hostError(404, 'model_not_found', 'The model does not exist'),
    'missing, as Ollama says it': {
      error: { message: 'model "model-a" not found, try pulling it first' },
      status: 404,
    },
    'not allowed': hostError(403, 'model_not_found'),
    broken: hostError(500, 'server_error'),
    overloaded: hostError(503, 'engine_overloaded'),
    'overloaded, as a limit': hostError(429, 'overloaded_error'),
    'at its own limit': hostError(429, 'rate_limit_exceeded', 'Rate limit reached for model-a on requests'),
    'too small': hostError(400, 'context_length_exceeded'),
    'without schemas': {
      error: { message: 'unsupported', param: 'response_format', code: 'unsupported_value' },
      status: 400,
    },
  }
  for (const [name, fault] of Object.entries(faults)) {
    const { bodies, ask } = await mockHost(t, { 'model-a': [fault], 'model-b': [says(GOOD)] })
    const { sent, booked } = await ask({ models: TWO })
    t.match(sent, { model: 'model-b', finish: 'answered' }, name)
    t.same(
      bodies().map(({ model }) => model),
      TWO,
      name,
    )
    t.equal(booked.length, 2, name)
  }
})

t.test('each refusal has its kind, and says how to mend it', async t => {
  const table: [string, number, string, string, RegExp][] = [
    ['a wrong key', 401, 'invalid_api_key', 'misconfigured', /OPENAI_API_KEY/],
    ['a denied key', 403, 'unsupported_country', 'misconfigured', /OPENAI_API_KEY/],
    ['no credit', 429, 'insufficient_quota', 'misconfigured', /credit/],
    ['no credit, by its status', 402, 'payment_required', 'misconfigured', /credit/],
    ['a limit', 429, 'rate_limit_exceeded', 'throttled', /waiting/],
    ['a missing model', 404, 'model_not_found', 'misconfigured', /AI_MODEL/],
    ['a wrong address', 404, 'not_found', 'misconfigured', /OPENAI_BASE_URL/],
    ['a long task', 400, 'context_length_exceeded', 'rejected', /TASK_TOKENS/],
    ['a large request', 413, '', 'rejected', /TASK_TOKENS/],
    ['a conflict', 409, 'conflict', 'unavailable', /later/],
    ['an outage', 502, '', 'unavailable', /later/],
    ['another refusal', 400, 'invalid_value', 'rejected', /refused/],
    ['no flex lane', 400, 'invalid_service_tier', 'misconfigured', /AI_BULK/],
    ['a refused schema', 400, 'invalid_json_schema', 'misconfigured', /AI_SCHEMA_FILE/],
  ]
  for (const [name, status, code, kind, message] of table) {
    const { ask } = await mockHost(t, { 'model-a': [hostError(status, code)] })
    const error = errorIn((await ask()).sent)
    t.equal(error.kind, kind, name)
    t.match(error.message, message, name)
    t.match(error.message, String(status), name)
  }
})

t.test('the first refusal of the account asks no other model', async t => {
  for (const [status, code] of [
    [401, 'invalid_api_key'],
    [429, 'insufficient_quota'],
    [429, 'rate_limit_exceeded'],
  ] as const) {
    const { mock, ask } = await mockHost(t, { 'model-a': [hostError(status, code)], 'model-b': [says(GOOD)] })
    errorIn((await ask({ models: TWO })).sent)
    t.equal(mock.getRequests().length, 1, code)
  }
})

t.test('a limit is a rate limit with the time that the host names', async t => {
  const { ask } = await mockHost(t, { 'model-a': [{ ...hostError(429, 'rate_limit_exceeded'), retryAfter: 17 }] })
  const error = errorIn((await ask()).sent)
  t.match(error, { kind: 'throttled', retryAfterMs: 17_000, isRateLimit: true })
})

t.test('where all models fail, the failure that may pass decides', async t => {
  const { ask } = await mockHost(t, {
    'model-a': [hostError(404, 'model_not_found')],
    'model-b': [hostError(500, 'x')],
  })
  t.equal(errorIn((await ask({ models: TWO })).sent).kind, 'unavailable')
  t.equal(errorIn((await ask({ models: ['model-b', 'model-a'] })).sent).kind, 'unavailable')
  t.equal(errorIn((await ask({ models: [] })).sent).kind, 'misconfigured')
})

t.test('malformed, dropped and disconnected answers of aimock are retried later', async t => {
  for (const chaos of [{ malformedRate: 1 }, { dropRate: 1 }, { disconnectRate: 1 }]) {
    const { mock, ask } = await mockHost(t, { 'model-a': [says(GOOD)] })
    mock.setChaos(chaos)
    const error = errorIn((await ask()).sent)
    t.equal(error.kind, 'unavailable', JSON.stringify(chaos))
    t.notMatch(error.message, /<<<|json:/, 'nothing of the answer is quoted')
    t.equal(mock.getRequests().length, 1, 'the SDK does not retry')
  }
  const { mock, ask } = await mockHost(t, { 'model-a': [says(GOOD)] })
  mock.setChaos({ rateLimitRate: 1 })
  t.match(errorIn((await ask()).sent), { kind: 'throttled', retryAfterMs: Number })
})

t.test('a slow answer ends at the time limit', async t => {
  const { mock, ask } = await mockHost(t, { 'model-a': [says(GOOD)] })
  mock.setChaos({ latencyMs: 20_000 })
  const error = errorIn((await ask({ timeoutMs: 300 })).sent)
  t.match(error, { kind: 'unavailable', message: /within 300 ms/ })
})

t.test('a body that trickles ends at the time limit, too', async t => {
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.write('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{')
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const { ask } = sinksAt(t, `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`)
  t.match(errorIn((await ask({ timeoutMs: 300 })).sent), { kind: 'unavailable', message: /within 300 ms/ })
})

t.test('answers that are none are retried later', async t => {
  const bodies = ['null', '{}', '[]', '"text"', '{"choices":[]}', '{"choices":[{"message":null}]}', '', 'cut {"cho']
  bodies.push(completion({ finish_reason: 'error', message: { content: '' } }))
  for (const text of bodies) {
    const { ask } = await rawHost(t, () => ({ text }))
    t.equal(errorIn((await ask()).sent).kind, 'unavailable', text)
  }
  const cut = await rawHost(t, () => ({ text: 'cut {"cho' }))
  t.match(errorIn((await cut.ask()).sent).message, /is no JSON$/)
  const page = await rawHost(t, () => ({ text: '<html>', headers: { 'content-type': 'text/html' } }))
  t.equal(errorIn((await page.ask()).sent).kind, 'unavailable')
})

t.test('an answer beyond 4 MiB is not read', async t => {
  const { ask } = await rawHost(t, () => ({ text: ' '.repeat(5 << 20) }))
  t.match(errorIn((await ask()).sent), { kind: 'unavailable', message: /size limit/ })
})

t.test('a redirect is not followed', async t => {
  const other = await rawHost(t, () => good)
  const { ask } = await rawHost(t, () => ({ status: 307, headers: { location: 'http://127.0.0.1:1/v1' } }))
  t.match(errorIn((await ask()).sent), { kind: 'misconfigured', message: /OPENAI_BASE_URL/ })
  t.equal(other.bodies.length, 0)
})

t.test('unknown parameters are left out from then on; the output limit only changes its name', async t => {
  const seen: (string | undefined)[] = []
  const { ask, open } = await rawHost(t, body => {
    const refused = ['prompt_cache_key', 'max_tokens'].find(name => name in body)
    seen.push(refused)
    if (refused === undefined) return good
    return {
      status: 400,
      text: JSON.stringify({ error: { message: `Unsupported parameter: '${refused}'`, param: refused } }),
    }
  })
  t.match((await ask()).sent, { finish: 'answered' })
  t.same(seen.sort(), ['max_tokens', 'prompt_cache_key', undefined])
  const sink = open()
  const { spending, booked } = recordedSpending()
  await sink.send(TASK, callWith(spending))
  t.equal(booked.length, 3)
  await sink.send(TASK, callWith(spending))
  t.equal(booked.length, 4, 'it is remembered')
})

t.test('a host that refuses both names of the output limit is never asked without one', async t => {
  const { bodies, ask } = await rawHost(t, body => {
    const param = 'max_tokens' in body ? 'max_tokens' : 'max_completion_tokens'
    return { status: 400, text: JSON.stringify({ error: { message: 'unknown parameter', param } }) }
  })
  t.match(errorIn((await ask()).sent), { kind: 'misconfigured', message: /AI_OUTPUT_TOKENS/ })
  t.ok(bodies.every(body => 'max_tokens' in body || 'max_completion_tokens' in body))
  t.equal(bodies.length, 3)
})

t.test('no error shows the key, the mail or what the host wrote', async t => {
  const leak = `Incorrect API key ${KEY} for "${TEXT}"`
  for (const status of [400, 401, 403, 404, 409, 413, 422, 429, 500, 503]) {
    for (const error of [{ message: leak, code: leak, type: leak, param: leak }, leak]) {
      const { ask } = await rawHost(t, () => ({ status, text: JSON.stringify({ error }) }))
      const shown = errorIn((await ask()).sent)
      const all = `${shown.message} ${shown.stack} ${JSON.stringify(shown)} ${String(shown.cause)}`
      t.notMatch(all, /sk-secret|launch|Incorrect/, `${status}`)
    }
  }
})

t.test('nothing of the environment reaches the host', async t => {
  const set = {
    OPENAI_ORG_ID: 'org-1',
    OPENAI_CUSTOM_HEADERS: 'x-evil: 1',
    OPENAI_BASE_URL: 'http://127.0.0.1:1',
    OPENAI_LOG: 'debug',
  }
  Object.assign(process.env, set)
  t.teardown(() => {
    for (const name of Object.keys(set)) delete process.env[name]
  })
  let headers: object = {}
  const { ask } = await rawHost(t, (_, request) => {
    headers = request.headers
    return good
  })
  t.match((await ask()).sent, { finish: 'answered' })
  t.same(
    Object.keys(headers).filter(name => /organization|evil/.test(name)),
    [],
  )
})
