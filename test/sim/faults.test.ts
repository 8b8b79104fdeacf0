import t from 'tap'
import { errorOf } from '../../shared/gmail/errors.ts'
import { FAULT_KINDS, type FaultKind } from '../../sim/gmail/faults.ts'
import { connected, mailboxOf } from './client.ts'

const WHOLE: { kind: FaultKind; status: number; reason: string; is: string }[] = [
  { kind: 'throttled-until', status: 429, reason: 'rateLimitExceeded', is: 'throttled' },
  { kind: 'throttled', status: 429, reason: 'rateLimitExceeded', is: 'throttled' },
  { kind: 'rate-limit', status: 403, reason: 'rateLimitExceeded', is: 'throttled' },
  { kind: 'user-rate-limit', status: 403, reason: 'userRateLimitExceeded', is: 'throttled' },
  { kind: 'server-error', status: 500, reason: 'backendError', is: 'unavailable' },
  { kind: 'unavailable', status: 503, reason: 'backendError', is: 'unavailable' },
]

for (const { kind, status, reason, is } of WHOLE) {
  t.test(`${kind} is a ${status} ${reason} in Google's shape, understood as ${is}`, async t => {
    const { sim, get } = await connected(t, mailboxOf(1))
    sim.faults.set({ rates: { [kind]: 1 } })
    const answer = await get('profile')
    t.equal(answer.status, status)
    t.match(answer.body, {
      error: { code: status, message: String, errors: [{ domain: /^(global|usageLimits)$/, reason }] },
    })
    t.equal(errorOf(answer, 'a test').kind, is)
    t.equal(sim.calls().profile, 1, 'a call that fails is a call')
    t.match(sim.faults.counts(), { [kind]: 1 })
    sim.faults.set({})
    t.equal((await get('profile')).status, 200, 'over as soon as it is taken back')
  })
}

t.test('Retry-After is said only where it is asked for, and may be a fraction', async t => {
  const { sim, headers } = await connected(t, mailboxOf(1))
  const retryAfter = async (kind: FaultKind) => {
    sim.faults.set({ rates: { [kind]: 1 }, retryAfterSeconds: 0.25 })
    return (await fetch(`${sim.url}/gmail/v1/users/me/profile`, { headers })).headers.get('retry-after')
  }
  t.equal(await retryAfter('throttled-until'), '0.25')
  t.equal(await retryAfter('throttled'), null)
})

t.test('a reset connection is an error of the network', async t => {
  const { sim, get } = await connected(t, mailboxOf(1))
  sim.faults.set({ rates: { reset: 1 } })
  await t.rejects(get('profile'), { cause: { code: /ECONNRESET|UND_ERR_SOCKET/ } })
})

t.test('the parts of a batch fail one by one, under an outer 200', async t => {
  const { sim, headers } = await connected(t, mailboxOf(1))
  for (const [kind, status, message] of [
    ['part-throttled', 429, 'Too many concurrent requests for user'],
    ['part-error', 500, 'Internal error encountered.'],
  ] as const) {
    sim.faults.set({ rates: { [kind]: 0.5 }, seed: 3 })
    const { status: outer, text } = await postBatch(sim.url, headers, 20)
    const failed = text.match(new RegExp(`HTTP/1.1 ${status} `, 'g'))?.length ?? 0
    t.equal(outer, 200)
    t.equal(failed + (text.match(/HTTP\/1.1 200 OK/g)?.length ?? 0), 20)
    t.ok(failed > 0 && failed < 20, `${failed} failed`)
    t.match(text, `"message": "${message}"`)
  }
})

t.test('a batch answer is cut short, or lacks a part', async t => {
  const { sim, headers } = await connected(t, mailboxOf(1))
  const whole = await postBatch(sim.url, headers, 5)
  t.equal(whole.ids.length, 5)
  t.match(whole.text, /--\r\n$/)

  sim.faults.set({ rates: { truncated: 1 } })
  const cut = await postBatch(sim.url, headers, 5)
  t.equal(cut.status, 200)
  t.ok(cut.text.length < whole.text.length)
  t.notMatch(cut.text, /--\r\n$/)

  sim.faults.set({ rates: { 'missing-part': 1 } })
  const lacking = await postBatch(sim.url, headers, 5)
  t.equal(lacking.ids.length, 4)
  t.match(lacking.text, /--\r\n$/)
})

t.test('the same seed draws the same faults', async t => {
  const { sim, get } = await connected(t, mailboxOf(1))
  const draw = async (seed: number) => {
    sim.faults.set({ rates: { throttled: 0.3, unavailable: 0.3 }, seed })
    const statuses: number[] = []
    for (let call = 0; call < 20; call++) statuses.push((await get('profile')).status)
    return statuses
  }
  const first = await draw(7)
  t.same(await draw(7), first)
  t.notSame(await draw(8), first)
  t.same(new Set(first), new Set([200, 429, 503]))
})

t.test('a burst is over when its time has come', async t => {
  let nowMs = 1_790_000_000_000
  const { sim, get } = await connected(t, mailboxOf(1), { now: () => nowMs })
  sim.faults.set({ bursts: [{ kind: 'unavailable', rate: 1, untilMs: nowMs + 1000 }] })
  t.equal((await get('profile')).status, 503)
  nowMs += 1000
  t.equal((await get('profile')).status, 200)
  t.same(sim.faults.read().bursts, [])
})

t.test('faults are set over HTTP, and never strike tokens or the control port', async t => {
  const { sim, get } = await connected(t, mailboxOf(1))
  const put = (body: unknown) =>
    fetch(`${sim.url}/control/faults`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  const all = Object.fromEntries(FAULT_KINDS.filter(kind => kind !== 'reset').map(kind => [kind, 1]))
  const answer = await put({ rates: all, retryAfterSeconds: 2.5 })
  t.match(await answer.json(), { rates: all, bursts: [], retryAfterSeconds: 2.5, counts: { throttled: 0 } })
  t.equal((await get('profile')).status, 429)
  t.equal((await fetch(`${sim.url}/token`, { method: 'POST', body: new URLSearchParams() })).status, 400)
  const read = await fetch(`${sim.url}/control/faults`)
  t.match(await read.json(), { counts: { 'throttled-until': 1, throttled: 0 } })

  for (const wrong of [{ rates: { throttled: 2 } }, { rates: { slow: 1 } }, { rate: {} }, []]) {
    const refused = await put(wrong)
    t.equal(refused.status, 400)
    t.match(await refused.json(), { error: { status: 'INVALID_ARGUMENT' } })
  }
  t.equal((await get('profile')).status, 429, 'what is refused changes nothing')
})

async function postBatch(url: string, headers: Record<string, string>, size: number) {
  const parts = Array.from(
    { length: size },
    (_, index) =>
      `--b\r\nContent-Type: application/http\r\nContent-ID: <p${index}>\r\n\r\nGET /gmail/v1/users/me/profile\r\n\r\n`,
  )
  const response = await fetch(`${url}/batch/gmail/v1`, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'multipart/mixed; boundary=b' },
    body: `${parts.join('')}--b--`,
  })
  const text = await response.text()
  return { status: response.status, text, ids: text.match(/response-p\d/g) ?? [] }
}
