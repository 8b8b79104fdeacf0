import t, { type Test } from 'tap'
import { openQuotas } from '../../../pipeline/accounts/quotas.ts'
import { readConfig } from '../../../shared/config.ts'
import type { MailboxId } from '../../../shared/mailbox.ts'
import type { Permit, Quota } from '../../../shared/provider/quota.ts'
import { createKeys } from '../../../shared/redis/keys.ts'
import { createQuota, type Narrowing, type QuotaLimits, readNarrowing } from '../../../shared/redis/quota.ts'
import { startCluster } from '../../support/redis.ts'

const redis = await startCluster()
t.teardown(() => redis.stop())

const LIMITS: QuotaLimits = { mailboxUnits: 6000, projectUnits: 1_200_000, requests: 25 }
const MINUTE_MS = 60_000
const DAY_MS = 24 * 60 * MINUTE_MS
const ANA = 'gmail:ana@example.com'

let count = 0
function ledger(limits: Partial<QuotaLimits> = {}) {
  count += 1
  const keys = createKeys(`quota${count}`, 2)
  const clock = { ms: 1_790_000_000_000 }
  const reported: Narrowing[] = []
  const options = { redis: redis.client, keys, limits: { ...LIMITS, ...limits } }
  const of = (mailbox: MailboxId): Quota =>
    createQuota({ ...options, mailbox, now: () => clock.ms, onNarrowed: narrowing => reported.push(narrowing) })
  return { clock, keys, reported, of, quota: of(ANA) }
}

function granted(t: Test, permit: Permit): Extract<Permit, { permit: 'go' }> {
  t.equal(permit.permit, 'go')
  if (permit.permit === 'go') return permit
  throw new Error(`told ${JSON.stringify(permit)}`)
}

async function serve(t: Test, quota: Quota, units: number, requests = 1): Promise<void> {
  await granted(t, await quota.reserve({ units, requests })).settle({ units })
}

t.test("a minute's units may be spent at once and return a minute later", async t => {
  const { clock, quota } = ledger()
  for (let batch = 0; batch < 14; batch += 1) {
    const { settle } = granted(t, await quota.reserve({ units: 400, requests: 20 }))
    clock.ms += 200
    await settle({ units: 400 })
  }
  const left = 14 * 200
  const permit = await quota.reserve({ units: 400, requests: 20 })
  t.match(permit, { permit: 'wait' })
  const waitMs = permit.permit === 'wait' ? permit.waitMs : 0
  t.ok(waitMs >= MINUTE_MS - left + 200, 'never before the first answer is a minute old')
  t.ok(waitMs <= MINUTE_MS - left + 200 + 500, 'and shortly after it')
  clock.ms += waitMs - 1
  t.match(await quota.reserve({ units: 400, requests: 20 }), { permit: 'wait' })
  clock.ms += 1
  await serve(t, quota, 400, 20)
})

t.test('any minute spends at most the limit, and almost all of it', async t => {
  const { clock, quota } = ledger()
  const began = clock.ms
  const spans: { from: number; to: number; units: number }[] = []
  const flying: { settle(): Promise<void>; at: number }[] = []
  let random = 7
  const next = (most: number) => {
    random = (random * 1103515245 + 12345) % 2 ** 31
    return random % most
  }
  while (clock.ms - began < 20 * MINUTE_MS) {
    for (const done of flying.filter(({ at }) => at <= clock.ms)) {
      flying.splice(flying.indexOf(done), 1)
      await done.settle()
    }
    const requests = 1 + next(20)
    const units = requests * 20
    const permit = await quota.reserve({ units, requests })
    if (permit.permit === 'go') {
      const span = { from: clock.ms, to: clock.ms + 100 + next(400), units }
      spans.push(span)
      flying.push({ at: span.to, settle: () => permit.settle({ units }) })
      clock.ms += 1
    } else clock.ms += permit.permit === 'wait' ? Math.min(permit.waitMs, 100) : 0
  }
  // The provider may count a request at any time from its sending to its answer; the worst time for each window is used.
  const edges = spans.map(({ to }) => to)
  const worst = Math.max(
    ...edges.map(edge =>
      spans.reduce((sum, { from, to, units }) => sum + (to >= edge && from < edge + MINUTE_MS ? units : 0), 0),
    ),
  )
  t.ok(worst <= 6000, `${worst} units in the worst minute`)
  // The first minute may be spent at its start, which would distort the rest.
  const later = spans.filter(({ from }) => from >= began + MINUTE_MS)
  const share = later.reduce((sum, { units }) => sum + units, 0) / (6000 * 19)
  t.ok(share >= 0.97, `${(share * 100).toFixed(1)} % used`)
})

t.test('large requests do not delay small ones', async t => {
  const { quota } = ledger()
  for (;;) {
    const permit = await quota.reserve({ units: 200, requests: 10 })
    if (permit.permit !== 'go') break
    await permit.settle({ units: 200 })
  }
  await serve(t, quota, 2)
  await serve(t, quota, 20)
})

t.test('unspent units return, and unsettled reservations expire', async t => {
  const { clock, quota } = ledger({ mailboxUnits: 1000, requests: 50 })
  await granted(t, await quota.reserve({ units: 980, requests: 49 })).settle({ units: 0 })
  await serve(t, quota, 500, 25)
  granted(t, await quota.reserve({ units: 480, requests: 24 }))
  t.match(await quota.reserve({ units: 40, requests: 2 }), { permit: 'wait' }, 'its owner may have sent it')
  clock.ms += 4999
  t.match(await quota.reserve({ units: 5, requests: 40 }), { permit: 'wait' }, 'and may be waiting for its answer')
  clock.ms += 1
  granted(t, await quota.reserve({ units: 5, requests: 40 }))
  t.match(await quota.reserve({ units: 100, requests: 1 }), { permit: 'wait' }, 'its units count on')
  clock.ms += 56_000
  t.match(await quota.reserve({ units: 600, requests: 1 }), { permit: 'wait' }, 'for a minute after it ran out')
  await serve(t, quota, 400)
  clock.ms += MINUTE_MS + 250
  await serve(t, quota, 900)
})

t.test('concurrency is shared, and one crowd of refusals halves it once', async t => {
  const { clock, quota, reported } = ledger({ mailboxUnits: 1_000_000, requests: 60 })
  t.match(await quota.reserve({ units: 2000, requests: 100 }), { permit: 'fewer', most: 60 })
  const first = granted(t, await quota.reserve({ units: 800, requests: 40 }))
  t.match(await quota.reserve({ units: 800, requests: 40 }), { permit: 'wait', waitMs: 100 })
  const second = granted(t, await quota.reserve({ units: 400, requests: 20 }))
  clock.ms += 1
  await first.settle({ units: 300, refused: 'concurrency' })
  await second.settle({ units: 0, refused: 'concurrency' })
  t.match(await quota.reserve({ units: 800, requests: 40 }), { permit: 'fewer', most: 30 }, 'they count as one refusal')
  for (const most of [15, 7, 3, 1, 1]) {
    const crowded = granted(t, await quota.reserve({ units: 20, requests: 1 }))
    clock.ms += 1
    await crowded.settle({ units: 0, refused: 'concurrency' })
    t.match(await quota.reserve({ units: 2000, requests: 100 }), { permit: 'fewer', most })
    clock.ms += 1
  }
  t.same(
    reported,
    [30, 15, 7, 3, 1].map(requests => ({ mailbox: ANA, requests, set: 60 })),
    'each halving is reported once',
  )
})

t.test('a reduced concurrency lasts a day, then is tried again', async t => {
  const { clock, keys, quota, reported } = ledger({ mailboxUnits: 1_000_000, requests: 60 })
  const asked = () => quota.reserve({ units: 60, requests: 60 })
  const narrowing = (set = 60) => readNarrowing({ redis: redis.client, keys, now: () => clock.ms }, ANA, set)
  t.equal(await narrowing(), undefined)
  const crowded = granted(t, await asked())
  clock.ms += 1
  await crowded.settle({ units: 50, refused: 'concurrency' })
  const since = clock.ms
  t.same(await narrowing(), { mailbox: ANA, requests: 30, set: 60, since })
  t.equal(await narrowing(30), undefined, 'it is never below the limit')
  const ttl = await redis.client.pttl(keys.quota(ANA))
  t.ok(ttl > DAY_MS - MINUTE_MS && ttl <= DAY_MS, `${ttl} ms: the book outlives a day without requests`)
  for (let hour = 0; hour < 23; hour += 1) {
    for (let batch = 0; batch < 20; batch += 1) await serve(t, quota, 30, 30)
    clock.ms += 60 * MINUTE_MS
    t.match(await asked(), { permit: 'fewer', most: 30 })
  }
  clock.ms = since + DAY_MS - 1
  t.match(await asked(), { permit: 'fewer', most: 30 })
  clock.ms += 1
  t.equal(await narrowing(), undefined)
  const again = granted(t, await asked())
  clock.ms += 1
  await again.settle({ units: 50, refused: 'concurrency' })
  t.match(await asked(), { permit: 'fewer', most: 30 }, 'a second refusal halves the limit')
  t.equal(reported.length, 2)
})

t.test('refusals never go below the configured concurrency', async t => {
  const { clock, quota, reported } = ledger({ mailboxUnits: 1_000_000, requests: 60, fewestRequests: 10 })
  for (let refusals = 0; refusals < 5; refusals += 1) {
    const crowded = granted(t, await quota.reserve({ units: 20, requests: 1 }))
    clock.ms += 1
    await crowded.settle({ units: 0, refused: 'concurrency' })
    clock.ms += 1
  }
  t.match(await quota.reserve({ units: 2000, requests: 100 }), { permit: 'fewer', most: 10 })
  t.same(
    reported.map(({ requests }) => requests),
    [30, 15, 10],
  )
})

t.test('a concurrency of one is not reported as reduced', async t => {
  const { quota, reported } = ledger({ requests: 1 })
  await granted(t, await quota.reserve({ units: 20, requests: 1 })).settle({ units: 0, refused: 'concurrency' })
  await serve(t, quota, 20)
  t.same(reported, [])
})

t.test('a spent minute pauses all; one probe follows; the share recovers', async t => {
  const { clock, of, quota } = ledger()
  const other = of(ANA)
  for (let batch = 0; batch < 7; batch += 1) await serve(t, quota, 400, 20)
  const [one, two] = [
    granted(t, await quota.reserve({ units: 200, requests: 10 })),
    granted(t, await other.reserve({ units: 200, requests: 10 })),
  ]
  clock.ms += 1
  await one.settle({ units: 200, refused: 'rate' })
  await two.settle({ units: 0, refused: 'rate' })
  t.match(
    await other.reserve({ units: 20, requests: 1 }),
    { permit: 'wait', waitMs: 2000 },
    'two refusals at once are one',
  )
  clock.ms += 2000
  t.match(await other.reserve({ units: 400, requests: 20 }), { permit: 'fewer', most: 1 })
  const probe = granted(t, await other.reserve({ units: 20, requests: 1 }))
  t.match(await quota.reserve({ units: 20, requests: 1 }), { permit: 'wait', waitMs: 100 }, 'only one tries')
  clock.ms += 1
  await probe.settle({ units: 0, refused: 'rate' })
  t.match(await quota.reserve({ units: 20, requests: 1 }), { permit: 'wait', waitMs: 4000 }, 'then twice as long')
  clock.ms += 4000
  await serve(t, quota, 20)
  t.match(await quota.reserve({ units: 400, requests: 20 }), { permit: 'wait' }, 'a little less than we had is ours')
  clock.ms += 70_000
  for (let batch = 0; batch < 8; batch += 1) await serve(t, quota, 400, 20)
  t.match(await quota.reserve({ units: 400, requests: 20 }), { permit: 'wait' })
  clock.ms += 4 * MINUTE_MS
  for (let batch = 0; batch < 14; batch += 1) await serve(t, quota, 400, 20)
})

t.test('a requested wait is observed', async t => {
  const { clock, quota } = ledger()
  const refused = granted(t, await quota.reserve({ units: 20, requests: 1 }))
  await refused.settle({ units: 0, refused: 'rate', retryAfterMs: 600_000 })
  t.match(await quota.reserve({ units: 2, requests: 1 }), { permit: 'wait', waitMs: 600_000 })
  clock.ms += 600_000
  await serve(t, quota, 2)
})

t.test('a requested wait applies to every refusal and to none', async t => {
  for (const refused of ['concurrency', undefined] as const) {
    const { clock, of, quota } = ledger()
    const other = of(ANA)
    const asking = granted(t, await quota.reserve({ units: 20, requests: 1 }))
    clock.ms += 10
    await asking.settle({ units: 20, ...(refused ? { refused } : {}), retryAfterMs: 2128 })
    t.match(await other.reserve({ units: 2, requests: 1 }), { permit: 'wait', waitMs: 2128 }, `${refused}`)
    clock.ms += 2127
    t.match(await other.reserve({ units: 2, requests: 1 }), { permit: 'wait', waitMs: 1 })
    clock.ms += 1
    await serve(t, other, 2)
  }
})

t.test('the longest requested wait applies, in any order', async t => {
  const { quota } = ledger()
  const many = [
    granted(t, await quota.reserve({ units: 1, requests: 1 })),
    granted(t, await quota.reserve({ units: 1, requests: 1 })),
  ]
  await many[0]?.settle({ units: 1, refused: 'rate', retryAfterMs: 9000 })
  await many[1]?.settle({ units: 1, refused: 'rate', retryAfterMs: 500 })
  t.match(await quota.reserve({ units: 1, requests: 1 }), { permit: 'wait', waitMs: 9000 })
})

t.test('the books outlast a pause', async t => {
  const { keys, quota } = ledger()
  await granted(t, await quota.reserve({ units: 20, requests: 1 })).settle({ units: 0, retryAfterMs: DAY_MS })
  await quota.reserve({ units: 20, requests: 1 })
  const ttl = await redis.client.pttl(keys.quota(ANA))
  t.ok(ttl > DAY_MS - MINUTE_MS && ttl <= DAY_MS, `${ttl} ms`)
})

t.test('pauses start equally short and grow longer for longer windows', async t => {
  const { clock, quota } = ledger({ windowMs: 10 * MINUTE_MS, requests: 4 })
  const all = granted(t, await quota.reserve({ units: 20, requests: 4 }))
  t.match(
    await quota.reserve({ units: 1, requests: 1 }),
    { permit: 'wait', waitMs: 100 },
    'a place may become free any time',
  )
  await all.settle({ units: 20 })
  for (const waitMs of [2000, 4000, 8000, 16_000, 32_000, 64_000, 128_000, 150_000, 150_000]) {
    const probe = granted(t, await quota.reserve({ units: 1, requests: 1 }))
    await probe.settle({ units: 1, refused: 'rate' })
    t.match(await quota.reserve({ units: 1, requests: 1 }), { permit: 'wait', waitMs })
    clock.ms += waitMs
  }
})

t.test('the growth of pauses is a setting, at both providers', async t => {
  for (const [mailbox, longest] of [
    [ANA, 15_000],
    ['outlook:bo@example.com', 150_000],
  ] as const) {
    for (const factor of [1, 3, 10]) {
      count += 1
      const keys = createKeys(`quota${count}`, 2)
      const config = readConfig({ RATE_LIMIT_BACKOFF_FACTOR: `${factor}` })
      const quota = openQuotas({ redis: redis.client, keys, config })(mailbox)
      const reserve = async (): Promise<Permit> =>
        (await quota?.reserve({ units: 1, requests: 1 })) ?? { permit: 'fewer', most: 0 }
      for (const refusals of [0, 1, 2]) {
        await granted(t, await reserve()).settle({ units: 1, refused: 'rate' })
        const paused = await reserve()
        const [waitMs, wanted] = [
          paused.permit === 'wait' ? paused.waitMs : 0,
          Math.min(longest, 2000 * factor ** refusals),
        ]
        t.ok(waitMs <= wanted && waitMs > wanted - 1500, `${mailbox} at ${factor}: ${waitMs} of ${wanted} ms`)
        await redis.client.hdel(keys.quota(mailbox), 'pausedUntil')
      }
    }
  }
})

// A provider with a window of ten minutes and no other clients: our share, in hundredths, and its changes.
function sharing(t: Test) {
  const { clock, quota } = ledger({ mailboxUnits: 10_000, windowMs: 10 * MINUTE_MS, requests: 1000 })
  const answered = async (refused: { refused?: 'rate'; retryAfterMs?: number }) => {
    const asking = granted(t, await quota.reserve({ units: 1, requests: 1 }))
    clock.ms += 1
    await asking.settle({ units: 1, ...refused })
  }
  return {
    clock,
    async share() {
      const permit = await quota.reserve({ units: 10_000, requests: 1000 })
      // The last hundredth is reserved for small requests.
      return permit.permit === 'fewer' ? permit.most / 10 + 1 : permit
    },
    serve: () => answered({}),
    async refuse() {
      await answered({ refused: 'rate', retryAfterMs: 1000 })
      clock.ms += 1000
    },
  }
}

t.test('one refusal takes at most half of the share; a twentieth remains', async t => {
  const { share, serve, refuse } = sharing(t)
  t.equal(await share(), 100)
  for (const left of [50, 25, 12.5, 6.2, 5, 5]) {
    await refuse()
    await serve()
    t.equal(await share(), left)
  }
})

t.test('a refused probe does not reduce the share', async t => {
  const { share, serve, refuse } = sharing(t)
  for (let probe = 0; probe < 8; probe += 1) await refuse()
  await serve()
  t.equal(await share(), 50)
})

t.test('the share is whole again five minutes after refusals', async t => {
  const { clock, share, serve, refuse } = sharing(t)
  for (let refusal = 0; refusal < 6; refusal += 1) {
    await refuse()
    await serve()
  }
  t.equal(await share(), 5)
  for (const left of [9, 21, 41, 69, 100]) {
    clock.ms += MINUTE_MS
    const now = await share()
    t.ok(typeof now === 'number' && now >= left && now < left + 1, `${now}`)
  }
})

t.test('a request counts as in flight while its answer may come', async t => {
  const { clock, quota } = ledger({ requests: 4, answerMs: 31_000 })
  granted(t, await quota.reserve({ units: 20, requests: 4 }))
  clock.ms += 30_999
  t.match(await quota.reserve({ units: 1, requests: 1 }), { permit: 'wait', waitMs: 100 })
  clock.ms += 1
  await serve(t, quota, 1)
})

t.test('all mailboxes share the project quota', async t => {
  const { clock, of } = ledger({ projectUnits: 3000 })
  const [ana, bo] = [of(ANA), of('gmail:bo@example.com')]
  for (let batch = 0; batch < 7; batch += 1) await serve(t, batch % 2 === 0 ? ana : bo, 400, 20)
  t.match(await ana.reserve({ units: 400, requests: 20 }), { permit: 'wait' })
  clock.ms += MINUTE_MS + 500
  for (let batch = 0; batch < 7; batch += 1) await serve(t, bo, 400, 20)
  t.match(
    await bo.reserve({ units: 400, requests: 20 }),
    { permit: 'wait' },
    'a refusal of the project reserves nothing',
  )
})

t.test('oversized requests are split; a single request always passes in the end', async t => {
  const { quota } = ledger({ mailboxUnits: 300, requests: 60 })
  t.match(await quota.reserve({ units: 800, requests: 40 }), { permit: 'fewer', most: 14 })
  const small = ledger({ mailboxUnits: 30 })
  await serve(t, small.quota, 100)
  t.match(await small.quota.reserve({ units: 100, requests: 1 }), { permit: 'wait' })
})

t.test("the books stay small, expire, and use the server's clock", async t => {
  const { keys, quota, clock } = ledger({ mailboxUnits: 100_000, requests: 5000 })
  for (let request = 0; request < 2000; request += 1) {
    await serve(t, quota, 20)
    clock.ms += 31
  }
  const key = keys.quota(ANA)
  t.ok((await redis.client.hlen(key)) <= 250)
  const ttl = await redis.client.pttl(key)
  t.ok(ttl > 0 && ttl <= 60 * MINUTE_MS)
  const mailbox = 'gmail:bo@example.com'
  const real = createQuota({ redis: redis.client, keys, mailbox, limits: { ...LIMITS, windowMs: 200 } })
  await serve(t, real, 5900)
  const permit = await real.reserve({ units: 400, requests: 20 })
  t.ok(permit.permit === 'wait' && permit.waitMs <= 205)
})
