import t from 'tap'
import { memoryMailbox } from '../../sim/mailbox.ts'
import { ADDRESS, answerOf, askToken, connected, mailboxOf, postParts } from './client.ts'

const MINUTE_MS = 60_000
const get = (id: string) => `GET /gmail/v1/users/me/messages/${id}?format=minimal`

t.test('units follow the table of 2026; nothing is refused without a quota', async t => {
  const { sim, headers, get: ask } = await connected(t, mailboxOf(3))
  const { messages } = (await ask('messages')).body
  await ask('profile')
  await ask('labels')
  await ask('history?startHistoryId=1000')
  await ask(`threads/${messages[0]?.threadId}`)
  await ask('threads')
  await ask('nothing')
  await postParts(
    sim.url,
    headers,
    messages.map(({ id }) => get(id)),
  )
  const spent = sim.quota.counts(ADDRESS)
  t.equal(spent.units, 5 + 1 + 1 + 2 + 40 + 10 + 3 * 20)
  t.same(spent.methods, {
    'messages.list': 1,
    getProfile: 1,
    'labels.list': 1,
    'history.list': 1,
    'threads.get': 1,
    'threads.list': 1,
    'messages.get': 3,
  })
  t.same(spent.refused, { user: 0, project: 0, concurrent: 0 })
  t.equal(spent.peakConcurrent, 3)
  t.equal(spent.inFlight, 0)
  sim.quota.reset()
  t.match(sim.quota.counts(), { units: 0, peakConcurrent: 0 })
  t.same(sim.quota.counts().methods, {})
})

t.test('the legacy table is a setting, with its limit', async t => {
  const { sim, get: ask } = await connected(t, mailboxOf(1))
  sim.quota.set({ table: 'legacy' })
  const { messages } = (await ask('messages')).body
  await ask(`messages/${messages[0]?.id}`)
  await ask(`threads/${messages[0]?.threadId}`)
  t.equal(sim.quota.counts(ADDRESS).units, 5 + 5 + 10)
})

t.test('a mailbox gets 6,000 units a minute; excess parts are refused individually', async t => {
  let nowMs = Date.UTC(2026, 10, 1)
  const { sim, headers, get: ask } = await connected(t, mailboxOf(1), { now: () => nowMs, quota: {} })
  const { id = '' } = (await ask('messages')).body.messages[0] ?? {}
  const batch = async (size: number) => {
    const parts = await postParts(sim.url, headers, Array<string>(size).fill(get(id)))
    return parts.filter(({ status }) => status === 200).length
  }
  sim.quota.set({ concurrent: 100 })
  t.equal(await batch(100), 100)
  t.equal(await batch(100), 100)
  nowMs += 1000
  // 5 for the list and 4,000 for two batches are spent: 99 parts of 20 are left.
  t.equal(await batch(100), 99)
  for (let left = 15; left > 0; left -= 5) t.equal((await ask('messages')).status, 200, `${left} units are left`)
  t.match(await ask('messages'), { status: 403, body: { error: { errors: [{ reason: 'rateLimitExceeded' }] } } })
  t.match(sim.quota.counts(ADDRESS), {
    units: 6000,
    minuteUnits: 6000,
    refused: { user: 2, project: 0, concurrent: 0 },
  })
  nowMs += MINUTE_MS - 1000
  t.match(sim.quota.counts(ADDRESS), { units: 6000, minuteUnits: 1995 }, 'the first second has left the window')
  t.equal(await batch(100), 100)
})

t.test('a fast simulator has fast minutes', async t => {
  let nowMs = Date.UTC(2026, 10, 1)
  const quota = { userUnitsPerMinute: 1 }
  const { get: ask } = await connected(t, mailboxOf(1), { now: () => nowMs, quota, speed: 60 })
  t.equal((await ask('profile')).status, 200)
  nowMs += 999
  t.equal((await ask('profile')).status, 403)
  nowMs += 1
  t.equal((await ask('profile')).status, 200)
})

t.test('all mailboxes share the project’s minute', async t => {
  const { sim, get: ask } = await connected(t, mailboxOf(1), { others: [memoryMailbox('bo@example.com', [])] })
  sim.quota.set({ projectUnitsPerMinute: 2 })
  const { body } = await askToken(sim, 'simulated:bo@example.com')
  const bo = { headers: { authorization: `Bearer ${body.access_token}` } }
  const askBo = async () => answerOf(await fetch(`${sim.url}/gmail/v1/users/me/profile`, bo))
  t.equal((await ask('profile')).status, 200)
  t.equal((await askBo()).status, 200)
  t.match(await ask('profile'), { status: 403, body: { error: { message: /limit 'Queries per minute' of/ } } })
  t.match(await askBo(), { status: 403 })
  t.match(sim.quota.counts(), { refused: { project: 2 } })
})

t.test('an exhausted minute is refused in each of Google’s forms, with optional waits', async t => {
  let nowMs = Date.UTC(2026, 10, 1)
  const { sim, headers } = await connected(t, mailboxOf(1), { now: () => nowMs })
  const ask = async (settings: object) => {
    sim.quota.set({ userUnitsPerMinute: 1, ...settings })
    const answer = await fetch(`${sim.url}/gmail/v1/users/me/profile`, { headers })
    return { retryAfter: answer.headers.get('retry-after'), ...(await answerOf(answer)) }
  }
  t.equal((await ask({})).status, 200)
  nowMs += 15_000
  t.match(await ask({}), {
    status: 403,
    retryAfter: null,
    body: {
      error: {
        code: 403,
        message: /^Quota exceeded for quota metric 'Queries' and limit 'Queries per minute per user' of service/,
        errors: [{ domain: 'usageLimits', reason: 'rateLimitExceeded' }],
        status: 'PERMISSION_DENIED',
        details: [{ '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'RATE_LIMIT_EXCEEDED' }],
      },
    },
  })
  t.match(await ask({ refusal: 'user-rate-limit', retryAfter: 'header' }), {
    status: 403,
    retryAfter: '45',
    body: {
      error: {
        code: 403,
        message: 'User Rate Limit Exceeded',
        errors: [{ domain: 'usageLimits', reason: 'userRateLimitExceeded', message: 'User Rate Limit Exceeded' }],
      },
    },
  })
  t.match(await ask({ refusal: 'exhausted' }), {
    status: 429,
    body: {
      error: {
        code: 429,
        message: 'Resource has been exhausted (e.g. check quota).',
        errors: [{ domain: 'global', reason: 'rateLimitExceeded' }],
        status: 'RESOURCE_EXHAUSTED',
      },
    },
  })
  t.match(await ask({ retryAfter: 'message' }), {
    status: 429,
    body: { error: { message: 'User-rate limit exceeded.  Retry after 2026-11-01T00:01:00.000Z' } },
  })
})

t.test('each part of a batch is in flight, and excess parts are refused', async t => {
  const { sim, headers, get: ask } = await connected(t, mailboxOf(1), { profile: 'live', quota: { concurrent: 25 } })
  const { id = '' } = (await ask('messages')).body.messages[0] ?? {}
  const batch = (size: number) => postParts(sim.url, headers, Array<string>(size).fill(get(id)))
  const alone = await batch(40)
  t.equal(alone.filter(({ status }) => status === 200).length, 25)
  t.match(
    alone.find(({ status }) => status === 429),
    {
      body: {
        error: {
          code: 429,
          message: 'Too many concurrent requests for user',
          errors: [{ reason: 'rateLimitExceeded' }],
          status: 'RESOURCE_EXHAUSTED',
        },
      },
    },
  )
  const together = (await Promise.all([batch(20), batch(20)])).flat()
  t.equal(together.filter(({ status }) => status === 429).length, 15)
  t.equal((await batch(25)).filter(({ status }) => status === 429).length, 0, 'an answered request is not in flight')
  t.match(sim.quota.counts(ADDRESS), { peakConcurrent: 25, inFlight: 0, refused: { concurrent: 30 } })
})

t.test('a client that disconnects leaves nothing in flight', async t => {
  const { sim, headers } = await connected(t, mailboxOf(1), { profile: 'seed' })
  const leaving = new AbortController()
  const asked = fetch(`${sim.url}/gmail/v1/users/me/profile`, { headers, signal: leaving.signal })
  while (sim.quota.counts(ADDRESS).inFlight === 0) await new Promise(resolve => setImmediate(resolve))
  leaving.abort()
  await t.rejects(asked)
  while (sim.quota.counts(ADDRESS).inFlight > 0) await new Promise(resolve => setImmediate(resolve))
  t.equal(sim.quota.counts(ADDRESS).peakConcurrent, 1)
})

t.test('the quota is read and set over HTTP', async t => {
  const { sim, get: ask } = await connected(t, mailboxOf(1))
  const control = async (method: string, path = '', body?: object) => {
    const init = body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }
    return answerOf(await fetch(`${sim.url}/control/quota${path}`, { method, ...init }))
  }
  await ask('profile')
  t.match(await control('GET'), {
    body: { settings: null, total: { units: 1 }, mailboxes: { [ADDRESS]: { units: 1, minuteUnits: 1 } } },
  })
  t.match(await control('PUT', '', { userUnitsPerMinute: 1 }), { body: { settings: { userUnitsPerMinute: 1 } } })
  t.equal((await ask('profile')).status, 403)
  t.match(await control('POST', '/reset'), { body: { total: { units: 0, refused: { user: 0 } } } })
  t.equal((await control('PUT', '', { units: 1 })).status, 400)
  t.match(await control('DELETE'), { body: { settings: null } })
  t.equal((await ask('profile')).status, 200)
})
