import t from 'tap'
import { until } from '../support/until.ts'
import { ADDRESS, mailboxOf } from './client.ts'
import { graphConnected } from './graph-client.ts'

const many = (count: number) => ({
  requests: Array.from({ length: count }, (_, id) => ({ id: `${id}`, method: 'GET', url: '/me/messages?$top=1' })),
})
const statuses = (body: { responses: { status: number }[] }) => body.responses.map(({ status }) => status)

t.test('nothing is refused without limits, and everything is counted', async t => {
  const { sim, ask } = await graphConnected(t, mailboxOf(2), { profile: 'live' })
  await Promise.all(Array.from({ length: 30 }, () => ask('me/messages')))
  await ask('$batch', { method: 'POST', json: many(20) })
  const counts = sim.throttling.counts(ADDRESS)
  t.match(counts, { requests: 50, refused: { concurrency: 0, requests: 0 }, inFlight: 0 })
  t.ok(counts.peakConcurrent > 4)
})

t.test('a mailbox gets four concurrent requests, and a batch is four of them', async t => {
  const { sim, ask } = await graphConnected(t, mailboxOf(2), { profile: 'seed', speed: 3, throttling: {} })
  const answers = await Promise.all(Array.from({ length: 7 }, () => ask('me/messages')))
  const refused = answers.filter(({ status }) => status === 429)
  t.equal(refused.length, 3)
  t.match(refused[0]?.body.error, { code: 'ApplicationThrottled', message: /MailboxConcurrency/ })
  t.equal(refused[0]?.headers.get('retry-after'), '0.333', 'a second, three times as fast')
  t.equal(sim.throttling.counts(ADDRESS).peakConcurrent, 4)

  t.same(new Set(statuses((await ask('$batch', { method: 'POST', json: many(20) })).body)), new Set([200]))
  const first = ask('me/messages')
  await until(() => sim.throttling.counts(ADDRESS).inFlight === 1, 'one is in flight')
  const batch = await ask('$batch', { method: 'POST', json: many(20) })
  const single = await first
  t.equal(single.status, 200)
  t.equal(batch.status, 200)
  t.equal(statuses(batch.body).filter(status => status === 429).length, 5, 'one of its four places was taken')
  const throttled = batch.body.responses.find(({ status }) => status === 429)
  t.match(throttled, { headers: { 'Retry-After': '0.333' }, body: { error: { code: 'ApplicationThrottled' } } })
  const two = await Promise.all([1, 2].map(() => ask('$batch', { method: 'POST', json: many(4) })))
  t.equal(two.flatMap(({ body }) => statuses(body)).filter(status => status === 200).length, 4)
  t.equal(sim.throttling.counts(ADDRESS).inFlight, 0)
})

t.test('requests over the ten-minute limit are refused, counted, and admitted later', async t => {
  let nowMs = Date.UTC(2026, 10, 1)
  const { sim, ask } = await graphConnected(t, mailboxOf(2), {
    now: () => nowMs,
    throttling: { requests: 10 },
    speed: 2,
  })
  const { body } = await ask('$batch', { method: 'POST', json: many(8) })
  t.same(new Set(statuses(body)), new Set([200]))
  nowMs += 1500
  t.equal((await ask('me/messages')).status, 200)
  t.equal((await ask('me/messages')).status, 200)
  const refused = await ask('me/messages')
  t.equal(refused.status, 429)
  t.match(refused.body.error, { code: 'TooManyRequests', innerError: { code: '429', status: '429' } })
  // Ten minutes take five at double speed, and the first of them have passed.
  t.equal(refused.headers.get('retry-after'), '298.5')
  sim.throttling.set({ requests: 10, retryAfter: 'date' })
  t.equal((await ask('me/messages')).headers.get('retry-after'), new Date(nowMs + 299_000).toUTCString())
  sim.throttling.set({ requests: 10, retryAfter: 'none' })
  t.equal((await ask('me/messages')).headers.get('retry-after'), null)
  for (let count = 0; count < 6; count++) await ask('me/messages')
  nowMs += 298_500
  t.equal((await ask('me/messages')).status, 429, 'refused requests counted too')
  nowMs += 1500
  t.equal((await ask('me/messages')).status, 200)
  t.match(sim.throttling.counts(), { requests: 21, refused: { requests: 10 } })
})

t.test('refused and mailbox-less requests count for no mailbox; aliases share one count', async t => {
  const { sim, ask } = await graphConnected(t, mailboxOf(1))
  await ask('users/bo@example.org/messages')
  await fetch(`${sim.url}/v1.0/users/${ADDRESS}/messages`)
  t.equal(sim.throttling.counts().requests, 0)
  await ask('subscriptions/7a1d4c5e', { method: 'DELETE' })
  await ask(`users/${ADDRESS}/messages`)
  const { id } = (await ask('me')).body
  await ask(`users/${id}/messages`)
  t.equal(sim.throttling.counts(ADDRESS).requests, 4)
})

t.test('a client that disconnects leaves nothing in flight', async t => {
  const { sim } = await graphConnected(t, mailboxOf(2), { profile: 'seed', throttling: {} })
  const token = sim.tokens.access({ address: ADDRESS, scopes: ['Mail.Read'] })
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const gone = [
    fetch(`${sim.url}/v1.0/me/messages`, { headers, signal: AbortSignal.timeout(100) }),
    fetch(`${sim.url}/v1.0/$batch`, {
      method: 'POST',
      headers,
      body: JSON.stringify(many(3)),
      signal: AbortSignal.timeout(100),
    }),
  ]
  t.match(await Promise.allSettled(gone), [{ status: 'rejected' }, { status: 'rejected' }])
  await until(() => sim.throttling.counts(ADDRESS).inFlight === 0, 'nothing is in flight')
  t.equal(sim.throttling.counts(ADDRESS).peakConcurrent, 4)
})
