import t from 'tap'
import type { Cost, Permit, Quota, Spent } from '../../../shared/provider/quota.ts'
import { type Asked, apiError, batchAnswer, failure, openCall, resource } from './google.ts'
import { openGmail } from './open.ts'

const isBatch = ({ path }: Asked) => path === '/batch/gmail/v1'
const wanted = (...ids: string[]) => ids.map(id => ({ id, thread: `t-${id}` }))
const idsIn = ({ body }: Asked) => [...body.matchAll(/messages\/(\w+)/g)].map(([, id = '']) => id)
const served = (asked: Asked) =>
  isBatch(asked)
    ? batchAnswer(idsIn(asked).map((id, index) => ({ contentId: `<response-m${index}>`, body: resource(id) })))
    : { body: resource(asked.path.split('/').at(-1) ?? '') }

// Gives the scripted permits first, then "go".
function scripted(...words: (Exclude<Permit, { permit: 'go' }> | 'go')[]) {
  const asked: Cost[] = []
  const settled: Spent[] = []
  const quota: Quota = {
    async reserve(cost) {
      asked.push(cost)
      const word = words.shift() ?? 'go'
      if (word !== 'go') return word
      return { permit: 'go', settle: async spent => void settled.push(spent) }
    },
  }
  return { call: { ...openCall(), quota }, asked, settled }
}

t.test('a permit is acquired before a call and settled with its real cost', async t => {
  const { mailbox } = await openGmail(t, asked =>
    asked.path.endsWith('/profile') ? { body: { emailAddress: 'a@b', historyId: '1' } } : served(asked),
  )
  const { call, asked, settled } = scripted()
  await mailbox.open(call)
  await mailbox.fetch(wanted('a'), call)
  await mailbox.fetch([...wanted('b', 'c'), { id: 'd', thread: 't-b' }], call)
  t.same(asked, [
    { units: 1, requests: 1 },
    { units: 20, requests: 1 },
    { units: 60, requests: 2 },
    { units: 40, requests: 2 },
  ])
  t.same(
    settled.map(({ units }) => units),
    [1, 20, 60, 40],
  )
})

t.test('a call without a permit is throttled unsent, with a wait', async t => {
  const { mailbox, google } = await openGmail(t, served)
  for (const waitMs of [20, 50_000]) {
    const { call } = scripted({ permit: 'wait', waitMs })
    t.match(await failure(mailbox.fetch(wanted('a', 'b'), call)), { kind: 'throttled', retryAfterMs: waitMs })
    t.same([google.asked.length, call.metered.length], [0, 0])
  }
})

t.test('a call too large for the quota goes in parts; the rest carries the reason', async t => {
  const { mailbox, google } = await openGmail(t, served)
  const parts = scripted({ permit: 'fewer', most: 2 }, 'go', { permit: 'fewer', most: 1 })
  t.same(
    [...(await mailbox.fetch(wanted('a', 'b', 'c', 'd'), parts.call)).values()].map(({ outcome }) => outcome),
    ['ok', 'ok', 'ok', 'ok'],
  )
  t.same(
    google.asked.map(asked => (isBatch(asked) ? idsIn(asked).join() : 'single')),
    ['a,b', 'c', 'single'],
  )
  const late = scripted({ permit: 'fewer', most: 2 }, 'go', { permit: 'wait', waitMs: 9000 })
  t.match(Object.fromEntries(await mailbox.fetch(wanted('a', 'b', 'c', 'd'), late.call)), {
    a: { outcome: 'ok' },
    b: { outcome: 'ok' },
    c: { outcome: 'throttled', retryAfterMs: 9000 },
    d: { outcome: 'throttled', retryAfterMs: 9000 },
  })
})

t.test('refusals cost nothing, and a rate limit differs from a concurrency limit', async t => {
  const minute = { status: '403 Forbidden', body: apiError(403, 'userRateLimitExceeded') }
  const crowd = {
    status: '429 Busy',
    body: apiError(429, 'rateLimitExceeded', 'Too many concurrent requests for user'),
  }
  const fine = { body: resource('a') }
  const later = { ...minute, headers: ['Retry-After: 7'] }
  const cases: [object[], Spent][] = [
    [[fine, crowd], { units: 20, refused: 'concurrency' }],
    [[fine, minute], { units: 20, refused: 'rate' }],
    [[minute, crowd], { units: 0, refused: 'rate' }],
    [[fine, later], { units: 20, refused: 'rate', retryAfterMs: 7000 }],
    [[fine, { status: '404 Not Found', body: apiError(404, 'notFound') }], { units: 40 }],
    [[fine, { status: '500 Away', body: apiError(500, 'backendError') }], { units: 40 }],
  ]
  for (const [parts, spent] of cases) {
    const { mailbox } = await openGmail(t, () =>
      batchAnswer(parts.map((part, index) => ({ contentId: `<response-m${index}>`, ...part }))),
    )
    const { call, settled } = scripted()
    await mailbox.fetch(wanted('a', 'b'), call)
    t.same(settled[0], spent)
  }
})

t.test('outer refusals and unanswered calls are settled too', async t => {
  const refused = await openGmail(t, () => ({ status: 429, headers: { 'retry-after': '2' }, body: 'Slow down' }))
  const outer = scripted()
  await failure(refused.mailbox.fetch(wanted('a', 'b'), outer.call))
  await failure(refused.mailbox.fetch(wanted('a'), outer.call))
  const spent = { units: 0, refused: 'rate', retryAfterMs: 2000 }
  t.same(outer.settled, [spent, spent])
  const silent = await openGmail(t, () => 'hang up')
  const unanswered = scripted()
  await failure(silent.mailbox.fetch(wanted('a', 'b'), unanswered.call))
  await failure(silent.mailbox.fetch(wanted('a'), unanswered.call))
  t.same(unanswered.settled, [{ units: 40 }, { units: 20 }], 'it may have been counted')
})

t.test('a failing settlement spoils no answer', async t => {
  const { mailbox } = await openGmail(t, served)
  const quota: Quota = { reserve: async () => ({ permit: 'go', settle: () => Promise.reject(new Error('away')) }) }
  t.match((await mailbox.fetch(wanted('a'), { ...openCall(), quota })).get('a'), { outcome: 'ok' })
})
