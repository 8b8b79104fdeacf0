import t from 'tap'
import { errorOf } from '../../shared/gmail/errors.ts'
import { FAULT_KINDS, type FaultKind, parseFaults } from '../../sim/gmail/faults.ts'
import { memoryMailbox } from '../../sim/mailbox.ts'
import { askToken, connected, mailboxOf } from './client.ts'

const WHOLE: { kind: FaultKind; status: number; reason: string; is: string }[] = [
  { kind: 'throttled-until', status: 429, reason: 'rateLimitExceeded', is: 'throttled' },
  { kind: 'throttled', status: 429, reason: 'rateLimitExceeded', is: 'throttled' },
  { kind: 'rate-limit', status: 403, reason: 'rateLimitExceeded', is: 'throttled' },
  { kind: 'user-rate-limit', status: 403, reason: 'userRateLimitExceeded', is: 'throttled' },
  { kind: 'server-error', status: 500, reason: 'backendError', is: 'unavailable' },
  { kind: 'unavailable', status: 503, reason: 'backendError', is: 'unavailable' },
  { kind: 'token-expired', status: 401, reason: 'authError', is: 'unauthorized' },
]

for (const { kind, status, reason, is } of WHOLE) {
  t.test(`${kind} is a ${status} ${reason} in Google's format, read as ${is}`, async t => {
    const { sim, get } = await connected(t, mailboxOf(1))
    sim.faults.set({ rates: { [kind]: 1 } })
    const answer = await get('profile')
    t.equal(answer.status, status)
    t.match(answer.body, {
      error: { code: status, message: String, errors: [{ domain: /^(global|usageLimits)$/, reason }] },
    })
    t.equal(errorOf(answer, 'a test').kind, is)
    t.equal(sim.calls().profile, 1, 'a failed call counts')
    t.match(sim.faults.counts(), { [kind]: 1 })
    sim.faults.set({})
    t.equal((await get('profile')).status, 200, 'it ends as soon as it is unset')
  })
}

t.test('Retry-After is sent only on request, and may be a fraction', async t => {
  const { sim, headers } = await connected(t, mailboxOf(1))
  const retryAfter = async (kind: FaultKind) => {
    sim.faults.set({ rates: { [kind]: 1 }, retryAfterSeconds: 0.25 })
    return (await fetch(`${sim.url}/gmail/v1/users/me/profile`, { headers })).headers.get('retry-after')
  }
  t.equal(await retryAfter('throttled-until'), '0.25')
  t.equal(await retryAfter('throttled'), null)
})

t.test('a reset connection is a network error', async t => {
  const { sim, get } = await connected(t, mailboxOf(1))
  sim.faults.set({ rates: { reset: 1 } })
  await t.rejects(get('profile'), { cause: { code: /ECONNRESET|UND_ERR_SOCKET/ } })
})

t.test('the parts of a batch fail individually, under an outer 200', async t => {
  const { sim, headers } = await connected(t, mailboxOf(1))
  for (const [kind, status, message] of [
    ['part-throttled', 429, 'Too many concurrent requests for user'],
    ['part-error', 500, 'Internal error encountered.'],
    ['part-token-expired', 401, '.* invalid authentication credentials'],
  ] as const) {
    sim.faults.set({ rates: { [kind]: 0.5 }, seed: 3 })
    const { status: outer, text } = await postBatch(sim.url, headers, 20)
    const failed = text.match(new RegExp(`HTTP/1.1 ${status} `, 'g'))?.length ?? 0
    t.equal(outer, 200)
    t.equal(failed + (text.match(/HTTP\/1.1 200 OK/g)?.length ?? 0), 20)
    t.ok(failed > 0 && failed < 20, `${failed} failed`)
    t.match(text, new RegExp(`"message": "${message}`))
  }
})

t.test('a server in front of Gmail writes HTML, also for a batch', async t => {
  const { sim, headers } = await connected(t, mailboxOf(1))
  for (const [kind, status] of [
    ['html-throttled', 429],
    ['html-unavailable', 503],
  ] as const) {
    sim.faults.set({ rates: { [kind]: 1 } })
    const answer = await postBatch(sim.url, headers, 2)
    t.match(answer, { status, type: 'text/html; charset=UTF-8', text: /^<!DOCTYPE html>/ })
    t.equal(errorOf({ status, body: answer.text }, 'a test').kind, status === 429 ? 'throttled' : 'unavailable')
  }
})

t.test('a batch answer is damaged in each way, and intact afterwards', async t => {
  const { sim, headers } = await connected(t, mailboxOf(1))
  const spoiled = (kind: FaultKind, seed = 1) => {
    sim.faults.set({ rates: { [kind]: 1 }, seed })
    return postBatch(sim.url, headers, 5)
  }
  const order = ['response-p0', 'response-p1', 'response-p2', 'response-p3', 'response-p4']
  const whole = await postBatch(sim.url, headers, 5)
  t.same(whole.ids, order)
  t.match(whole.text, /--\r\n$/)

  const cut = await spoiled('truncated')
  t.equal(cut.status, 200)
  t.ok(cut.text.length < whole.text.length)
  t.notMatch(cut.text, /--\r\n$/)

  const lacking = await spoiled('missing-part')
  t.equal(lacking.ids.length, 4)
  t.match(lacking.text, /--\r\n$/)

  const shuffled = await spoiled('shuffled')
  t.notSame(shuffled.ids, order)
  t.same([...shuffled.ids].sort(), order)

  const nameless = await spoiled('unusable-ids')
  t.equal(nameless.text.match(/^Content-ID: response-\r$/gm)?.length, 5)
  t.same(nameless.ids, [])

  const bodies = (text: string) =>
    text
      .split('\r\n\r\n')
      .filter((_, index) => index % 2 === 0)
      .slice(1)
  for (const [kind, body] of [
    ['part-not-json', /^<html>/],
    ['part-without-body', /^\r\n--batch_/],
  ] as const) {
    const { text, ids } = await spoiled(kind)
    t.same(ids, order)
    t.equal(bodies(text).filter(one => body.test(one)).length, 1, kind)
    t.equal(text.match(/"emailAddress"/g)?.length, 4)
  }

  const ways = new Set<string>()
  for (let seed = 1; seed <= 12; seed++) {
    const { status, type, text } = await spoiled('malformed', seed)
    t.equal(status, 200)
    const boundary = /boundary=(\S+)/.exec(type)?.[1]
    t.notOk(boundary !== undefined && text.includes(boundary), 'it cannot be split')
    ways.add(type)
  }
  t.same(ways, new Set(['multipart/mixed; boundary=batch_another', 'multipart/mixed', 'text/html; charset=UTF-8']))

  sim.faults.set({})
  t.same((await postBatch(sim.url, headers, 5)).ids, order)
})

t.test('one batch answer can be damaged in several ways', async t => {
  const { sim, headers } = await connected(t, mailboxOf(1))
  sim.faults.set({ rates: { 'unusable-ids': 1, 'missing-part': 1, 'part-error': 1 } })
  const { text } = await postBatch(sim.url, headers, 5)
  t.equal(text.match(/^Content-ID: response-\r$/gm)?.length, 4)
  t.equal(text.match(/HTTP\/1.1 500 /g)?.length, 4)
})

t.test('a slow answer takes its set time and arrives complete', async t => {
  const { sim, headers, get } = await connected(t, mailboxOf(1))
  const whole = await postBatch(sim.url, headers, 2)
  sim.faults.set({ rates: { slow: 1 }, dripMs: 400 })
  const startedMs = performance.now()
  const response = await fetch(`${sim.url}/gmail/v1/users/me/profile`, { headers })
  let chunks = 0
  for await (const _ of response.body ?? []) chunks += 1
  t.ok(chunks > 5, `${chunks} chunks`)
  t.ok(performance.now() - startedMs >= 300)
  t.equal((await postBatch(sim.url, headers, 2)).text.length, whole.text.length)

  sim.faults.set({ rates: { slow: 1 }, dripMs: 300_000 })
  const dripping = get('profile')
  dripping.catch(() => undefined)
  while (sim.faults.counts().slow < 3) await new Promise(resolve => setImmediate(resolve))
  await sim.close()
  await t.rejects(dripping, 'closing does not wait for it')
})

t.test('faults are parsed from one line', async t => {
  t.same(parseFaults('throttled=0.1, truncated=1,retryAfterSeconds=0.5,dripMs=10,seed=3'), {
    rates: { throttled: 0.1, truncated: 1 },
    retryAfterSeconds: 0.5,
    dripMs: 10,
    seed: 3,
  })
  t.throws(() => parseFaults('throttled'), { message: /cannot read "throttled": write kind=rate/ })
  t.throws(() => parseFaults('tired=1'), { message: /there is no fault tired; choose from reset, / })
  t.throws(() => parseFaults('throttled=2'), { message: /^throttled: / })
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

t.test('a burst ends at its time', async t => {
  let nowMs = 1_790_000_000_000
  const { sim, get } = await connected(t, mailboxOf(1), { now: () => nowMs })
  sim.faults.set({ bursts: [{ kind: 'unavailable', rate: 1, untilMs: nowMs + 1000 }] })
  t.equal((await get('profile')).status, 503)
  nowMs += 1000
  t.equal((await get('profile')).status, 200)
  t.same(sim.faults.read().bursts, [])
})

t.test('faults with addresses strike only those mailboxes, including batch parts', async t => {
  const { sim, headers, get } = await connected(t, mailboxOf(1), { others: [memoryMailbox('bo@example.com', [])] })
  const { body } = await askToken(sim, 'simulated:bo@example.com')
  const ofBo = { authorization: `Bearer ${body.access_token}` }
  const getOfBo = async () => (await fetch(`${sim.url}/gmail/v1/users/me/profile`, { headers: ofBo })).status
  sim.faults.set({ rates: { 'throttled-until': 1 }, addresses: ['Bo@example.com'] })
  t.equal((await get('profile')).status, 200)
  t.equal(await getOfBo(), 429)
  t.same(sim.faults.read().addresses, ['Bo@example.com'])
  sim.faults.set({ rates: { 'part-throttled': 1, 'missing-part': 1 }, addresses: ['bo@example.com'] })
  t.equal((await postBatch(sim.url, headers, 2)).text.match(/HTTP\/1.1 200 OK/g)?.length, 2)
  t.equal((await postBatch(sim.url, ofBo, 2)).text.match(/HTTP\/1.1 429 /g)?.length, 1)
  t.match(sim.faults.counts(), { 'throttled-until': 1, 'part-throttled': 2, 'missing-part': 1 })
  sim.faults.set({ rates: { 'throttled-until': 1 } })
  t.equal((await get('profile')).status, 429, 'without addresses they strike all')
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
  t.equal(Object.keys(all).length, FAULT_KINDS.length - 1)
  const answer = await put({ rates: all, retryAfterSeconds: 2.5, dripMs: 20 })
  const set = (await answer.json()) as { bursts: unknown }
  t.match(set, { rates: all, retryAfterSeconds: 2.5, counts: { throttled: 0 } })
  t.same(set.bursts, [])
  t.equal((await get('profile')).status, 429)
  t.equal((await fetch(`${sim.url}/token`, { method: 'POST', body: new URLSearchParams() })).status, 400)
  const read = await fetch(`${sim.url}/control/faults`)
  t.match(await read.json(), { counts: { 'throttled-until': 1, throttled: 0 } })

  for (const wrong of [{ rates: { throttled: 2 } }, { rates: { tired: 1 } }, { rate: {} }, []]) {
    const refused = await put(wrong)
    t.equal(refused.status, 400)
    t.match(await refused.json(), { error: { status: 'INVALID_ARGUMENT' } })
  }
  t.equal((await get('profile')).status, 429, 'a refused setting changes nothing')
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
  return {
    status: response.status,
    type: response.headers.get('content-type') ?? '',
    text,
    ids: text.match(/response-p\d/g) ?? [],
  }
}
