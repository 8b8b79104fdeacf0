import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { openQuotas, unitsAMinute, unitsSaved } from '../../pipeline/accounts/quotas.ts'
import { readConfig } from '../../shared/config.ts'
import { MailError } from '../../shared/error.ts'
import type { Call, MailboxId } from '../../shared/mailbox.ts'
import { askTogether } from '../../shared/outlook/together.ts'
import type { Quota } from '../../shared/provider/quota.ts'
import { createKeys } from '../../shared/redis/keys.ts'
import type { RunRecord } from '../../shared/redis/runs.ts'
import {
  type Asked,
  batchAnswer,
  clientOf,
  graphError,
  isBatch,
  type Part,
  type Reply,
  requestsIn,
  startGraph,
} from '../shared/outlook/graph.ts'
import { startRedis } from '../support/redis.ts'

const redis = await startRedis()
t.teardown(() => redis.stop())

const ANA: MailboxId = 'outlook:ana@example.com'
const AT_ONCE = 4

let count = 0
const nextKeys = () => createKeys(`outlook${++count}`, 2)

// Two processes with a mailbox each share only the quota ledger.
async function twoClients(t: Test, script: Parameters<typeof startGraph>[0]) {
  const graph = await startGraph(script)
  t.teardown(() => graph.close())
  const keys = nextKeys()
  const clients = [1, 2].map(() => {
    const own = redis.client.duplicate()
    t.teardown(() => own.disconnect())
    const quota = openQuotas({ redis: own, keys, config: readConfig({}) })(ANA)
    return (urls: readonly string[], turns?: number) => ask(graph.rootUrl, quota, urls, turns)
  })
  return { graph, clients }
}

// Repeats a request until it is answered, waiting exactly as long as the quota says. Returns nothing when no turn is left.
async function ask(rootUrl: string, quota: Quota | undefined, urls: readonly string[], turns = 200): Promise<number[]> {
  const call: Call = { signal: new AbortController().signal, meter: () => undefined, ...(quota ? { quota } : {}) }
  const { client } = clientOf({ rootUrl })
  for (let turn = 1; ; turn += 1) {
    try {
      const options = { client, batchSize: 20, now: Date.now }
      const answers = await askTogether(options, urls, { doing: 'asking', call, kind: 'batch', prefer: '' })
      return answers.map(answer => answer?.status ?? 0)
    } catch (thrown) {
      if (!(thrown instanceof MailError)) throw thrown
      if (turns === 1) return []
      if (thrown.kind !== 'throttled' || turn === turns) throw thrown
      await sleep(thrown.retryAfterMs ?? 0)
    }
  }
}

const urlsOf = (count: number) => Array.from({ length: count }, (_, place) => `/me/messages/m${place}`)
const served = (asked: Asked): Reply =>
  isBatch(asked) ? batchAnswer(asked, () => ({ status: 200, body: {} })) : { body: {} }
const placesOf = (asked: Asked) => (isBatch(asked) ? Math.min(AT_ONCE, requestsIn(asked).length) : 1)

t.test('two processes together send at most four requests at once', async t => {
  let now = 0
  let most = 0
  let turn = 0
  const { graph, clients } = await twoClients(t, async asked => {
    now += placesOf(asked)
    most = Math.max(most, now)
    turn += 1
    await sleep(5 + ((turn * 37) % 60))
    now -= placesOf(asked)
    return served(asked)
  })
  const work = clients.flatMap(client =>
    [1, 1, 3, 1, 20, 2].map(async size => {
      for (let round = 0; round < 4; round += 1) {
        const statuses = await client(urlsOf(size))
        if (statuses.length !== size || statuses.some(status => status !== 200)) throw new Error(`answered ${statuses}`)
      }
    }),
  )
  await Promise.all(work)
  t.ok(most <= AT_ONCE, `${most} at once`)
  t.ok(most > 2, `${most} at once`)
  t.ok(graph.asked.length >= 48, `${graph.asked.length} requests`)
})

const crowd = graphError('ApplicationThrottled', 'Application is over its MailboxConcurrency limit.')
const refusals: { what: string; waitMs: number; answer: (asked: Asked) => Reply }[] = [
  {
    what: 'a fraction',
    waitMs: 700.5,
    answer: () => ({ status: 429, headers: { 'retry-after': '0.7005' }, body: graphError('TooManyRequests') }),
  },
  {
    what: 'the longest of the parts of a batch',
    waitMs: 900,
    answer: asked =>
      batchAnswer(asked, (_, place): Part => {
        const wait = ['0.3', '0.9', undefined, '0.1'][place]
        return wait === undefined ? { status: 200 } : { status: 429, headers: { 'Retry-After': wait } }
      }),
  },
  {
    what: 'one on account of a crowd',
    waitMs: 600,
    answer: () => ({ status: 429, headers: { 'retry-after': '0.6' }, body: crowd }),
  },
  {
    what: 'an outage',
    waitMs: 500,
    answer: () => ({ status: 503, headers: { 'retry-after': '0.5' }, body: '<html>' }),
  },
]

for (const { what, waitMs, answer } of refusals) {
  t.test(`no request is sent before Retry-After ends: ${what}`, async t => {
    const arrivals: number[] = []
    let refusedAt = 0
    const { clients } = await twoClients(t, asked => {
      if (refusedAt > 0) {
        arrivals.push(Date.now())
        return served(asked)
      }
      refusedAt = Date.now()
      return answer(asked)
    })
    t.ok(await isNeverEarly(clients, arrivals, () => refusedAt + waitMs))
  })
}

t.test('no request is sent before Retry-After ends: a date', async t => {
  const arrivals: number[] = []
  let until = 0
  const { clients } = await twoClients(t, asked => {
    if (until > 0) {
      arrivals.push(Date.now())
      return served(asked)
    }
    until = Math.ceil((Date.now() + 600) / 1000) * 1000
    return { status: 429, headers: { 'retry-after': new Date(until).toUTCString() } }
  })
  t.ok(await isNeverEarly(clients, arrivals, () => until))
})

type Client = (urls: readonly string[], turns?: number) => Promise<unknown>

// The first request is refused; once the ledger knows it, all send at once.
async function isNeverEarly(
  clients: readonly Client[],
  arrivals: readonly number[],
  over: () => number,
): Promise<boolean> {
  await clients[0]?.(urlsOf(4), 1)
  await Promise.all(clients.flatMap(client => [1, 4, 1].map(size => client(urlsOf(size)))))
  if (arrivals.length < 6) throw new Error(`only ${arrivals.length} requests came`)
  const early = over() - Math.min(...arrivals)
  if (early > 0) throw new Error(`${early} ms too early`)
  return true
}

t.test('each mailbox may send ten thousand requests in ten minutes', async t => {
  // A minute of the ledger lasts 200 ms, so ten of them last two seconds.
  const quotas = openQuotas({ redis: redis.client, keys: nextKeys(), config: readConfig({}) }, { windowMs: 200 })
  const quota = quotas(ANA)
  t.equal(quotas(ANA), quota, 'the same each time')
  const take = async (of: Quota | undefined, units: number) => {
    const leave = await of?.reserve({ units, requests: 1 })
    if (leave?.permit === 'go') await leave.settle({ units })
    return leave
  }
  for (const units of [2500, 2500, 2500, 2400]) t.match(await take(quota, units), { permit: 'go' })
  const leave = await take(quota, 200)
  t.match(leave, { permit: 'wait' })
  t.ok(leave?.permit === 'wait' && leave.waitMs > 200 && leave.waitMs <= 2010, 'longer than a minute, ten at most')
  t.match(await take(quota, 20), { permit: 'go' }, 'small requests do not wait for large ones')
  t.match(await take(quotas('outlook:bo@example.com'), 9000), { permit: 'go' }, 'there is no limit for all mailboxes')
})

t.test('the limit per minute is reported, without savings', async t => {
  t.equal(unitsAMinute(ANA, readConfig({})), 1000)
  t.equal(
    unitsAMinute(ANA, readConfig({ GMAIL_USER_UNITS: '600' })),
    1000,
    'a setting of Gmail’s says nothing of Outlook',
  )
  const run = { mailbox: ANA, calls: { list: 5 }, fates: { fetched: 100, gone: 1 }, context: 3, units: 7 }
  t.equal(unitsSaved(run as unknown as RunRecord, readConfig({})), 0)
})
