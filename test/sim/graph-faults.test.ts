import t from 'tap'
import { type GraphFaultKind, parseGraphFaults } from '../../sim/graph/faults.ts'
import { mailboxOf } from './client.ts'
import { askGraphToken, graphConnected } from './graph-client.ts'

const DELTA = 'me/mailFolders/inbox/messages/delta'
const BATCH = {
  method: 'POST',
  json: { requests: Array.from({ length: 4 }, (_, id) => ({ id: `${id}`, method: 'GET', url: `/${DELTA}` })) },
}

const ERRORS: [GraphFaultKind, number, string, string | null][] = [
  ['throttled', 429, 'TooManyRequests', '2.128'],
  ['throttled-silently', 429, 'TooManyRequests', null],
  ['server-error', 500, 'InternalServerError', null],
  ['unavailable', 503, 'ServiceUnavailable', '2.128'],
  ['bad-gateway', 502, 'BadGateway', null],
  ['token-expired', 401, 'InvalidAuthenticationToken', null],
  ['gone-410', 410, 'syncStateNotFound', null],
]

for (const [kind, status, code, retryAfter] of ERRORS) {
  t.test(`${kind} is a ${status} ${code} in Graph's format`, async t => {
    const { sim, ask } = await graphConnected(t, mailboxOf(1))
    sim.faults.set({ rates: { [kind]: 1 }, retryAfterSeconds: 2.128 })
    const answer = await ask(DELTA, { headers: { 'client-request-id': 'mine' } })
    t.equal(answer.status, status)
    t.equal(answer.headers.get('retry-after'), retryAfter)
    t.match(answer.body.error, {
      code,
      innerError: { date: /^\d{4}-/, 'request-id': /./, 'client-request-id': 'mine' },
    })
    t.equal(sim.faults.counts()[kind], 1)
    sim.faults.set({})
    t.equal((await ask(DELTA)).status, 200)
  })
}

t.test('a wait can be a date', async t => {
  const nowMs = Date.UTC(2026, 10, 1)
  const { sim, ask } = await graphConnected(t, mailboxOf(1), { now: () => nowMs })
  sim.faults.set({ rates: { throttled: 1 }, retryAfterSeconds: 5, retryAfterForm: 'date' })
  t.equal((await ask('me')).headers.get('retry-after'), new Date(nowMs + 5000).toUTCString())
})

t.test('the parts of a batch fail individually, under an outer 200', async t => {
  const { sim, ask } = await graphConnected(t, mailboxOf(1))
  for (const [kind, status] of [
    ['part-throttled', 429],
    ['part-error', 503],
    ['part-token-expired', 401],
    ['gone-410', 410],
  ] as const) {
    sim.faults.set({ rates: { [kind]: 0.5 }, seed: 3 })
    const { status: outer, body } = await ask('$batch', BATCH)
    t.equal(outer, 200)
    t.same(new Set(body.responses.map(part => part.status)), new Set([200, status]), kind)
  }
})

t.test('a batch answer lacks a part, or the body of one', async t => {
  const { sim, ask } = await graphConnected(t, mailboxOf(1))
  sim.faults.set({ rates: { 'missing-part': 1 } })
  t.equal((await ask('$batch', BATCH)).body.responses.length, 3)
  sim.faults.set({ rates: { 'part-without-body': 1 } })
  const { responses } = (await ask('$batch', BATCH)).body
  t.equal(responses.filter(part => !('body' in part)).length, 1)
  sim.faults.set({})
  sim.quirks.shuffled = true
  const orders = new Set<string>()
  for (let count = 0; count < 5; count++)
    orders.add((await ask('$batch', BATCH)).body.responses.map(({ id }) => id).join())
  t.ok(orders.size > 1, 'in any order')
})

t.test('an answer is cut off, slow, replaced by a page, or missing', async t => {
  const { sim, ask } = await graphConnected(t, mailboxOf(3))
  for (const request of [() => ask(DELTA), () => ask('$batch', BATCH)]) {
    sim.faults.set({ rates: { truncated: 1 } })
    await t.rejects(request(), SyntaxError)
    sim.faults.set({ rates: { slow: 1 }, dripMs: 200 })
    const startedMs = performance.now()
    t.equal((await request()).status, 200)
    t.ok(performance.now() - startedMs > 150)
    sim.faults.set({ rates: { 'html-unavailable': 1 } })
    const page = await request()
    t.equal(page.status, 503)
    t.match(page.headers.get('content-type'), /html/)
    sim.faults.set({ rates: { reset: 1 } })
    await t.rejects(request(), TypeError)
  }
  sim.throttling.set({})
  sim.faults.set({})
  t.equal(sim.throttling.counts().inFlight, 0, 'a cut request is not in flight')
})

t.test('tokens and the control port are exempt', async t => {
  const { sim } = await graphConnected(t, mailboxOf(1))
  sim.faults.set({ rates: { reset: 1, truncated: 1 } })
  t.equal((await askGraphToken(sim, { grant_type: 'refresh_token', refresh_token: 'x' })).status, 400)
  t.match(await (await fetch(`${sim.url}/control/graph/faults`)).json(), { rates: { reset: 1 }, counts: { reset: 0 } })
  t.equal((await fetch(`${sim.url}/control/graph/nothing`)).status, 404)
})

t.test('faults are parsed from one line', async t => {
  t.same(parseGraphFaults('throttled=0.1, gone-410=0.05,seed=3'), {
    rates: { throttled: 0.1, 'gone-410': 0.05 },
    seed: 3,
  })
  t.throws(() => parseGraphFaults('rate-limit=1'), { message: /there is no fault rate-limit; choose from reset/ })
  t.throws(() => parseGraphFaults('reset=2'), { message: /reset/ })
})
