import t from 'tap'
import { createKeys } from '../../../shared/redis/keys.ts'
import { createQuota } from '../../../shared/redis/quota.ts'
import { slidingWindow } from '../../../sim/window.ts'
import { startCluster } from '../../support/redis.ts'

const redis = await startCluster()
t.teardown(() => redis.stop())

const MINUTE_MS = 60_000
const MINUTES = 30
const LIMIT = 6000
const UNITS = 20
const BATCH = 20

interface Client {
  nextAt: number
  turn(nowMs: number): Promise<number>
  served: number
  refused: number
}

/** A provider that allows 6,000 units in any minute, with a simulated clock. */
function provider() {
  const minute = slidingWindow(MINUTE_MS)
  const serve = (client: Client, nowMs: number) => {
    const isServed = minute.freeInMs(nowMs, UNITS, LIMIT) === 0
    if (isServed) minute.spend(nowMs, UNITS)
    client[isServed ? 'served' : 'refused'] += 1
    return isServed
  }
  const pass = async (clients: readonly Client[]) => {
    for (;;) {
      const [next] = [...clients].sort((a, b) => a.nextAt - b.nextAt)
      if (!next || next.nextAt > MINUTES * MINUTE_MS) return
      next.nextAt += Math.max(1, await next.turn(next.nextAt))
    }
  }
  return { serve, pass }
}

t.test('an unknown client causes few refusals and keeps its share', async t => {
  const { serve, pass } = provider()
  const clock = { ms: 0 }
  const began = 1_790_000_000_000
  let random = 7
  const answerMs = () => {
    random = (random * 1103515245 + 12345) % 2 ** 31
    return 200 + (random % 300)
  }
  const quota = createQuota({
    redis: redis.client,
    keys: createKeys('stranger', 1),
    mailbox: 'gmail:ana@example.com',
    limits: { mailboxUnits: LIMIT, requests: 60 },
    now: () => began + clock.ms,
  })

  // Requests batches one after the other, with as many parts as permitted.
  function fetcher(): Client {
    let settle: (() => Promise<void>) | undefined
    const self: Client = {
      nextAt: MINUTE_MS,
      served: 0,
      refused: 0,
      async turn(nowMs) {
        clock.ms = nowMs
        await settle?.()
        settle = undefined
        for (let count = BATCH; ; ) {
          const permit = await quota.reserve({ units: count * UNITS, requests: count })
          if (permit.permit === 'wait') return permit.waitMs
          if (permit.permit === 'fewer') {
            count = permit.most
            continue
          }
          const answers = Array.from({ length: count }, () => serve(self, nowMs))
          const units = answers.filter(isServed => isServed).length * UNITS
          settle = () => permit.settle({ units, ...(units < count * UNITS ? { refused: 'rate' } : {}) })
          return answerMs()
        }
      },
    }
    return self
  }

  // Requests single messages for a third of each minute, and retries refused ones a little later.
  const stranger: Client = {
    nextAt: 0,
    served: 0,
    refused: 0,
    turn: async nowMs => (serve(stranger, nowMs) ? 600 : 2200),
  }
  const fetchers = Array.from({ length: 6 }, fetcher)
  await pass([stranger, ...fetchers])
  const served = fetchers.reduce((sum, one) => sum + one.served, 0)
  const refused = fetchers.reduce((sum, one) => sum + one.refused, 0)
  t.ok(refused / (served + refused) < 0.1, `${refused} of our ${served + refused} requests were refused`)
  t.ok(stranger.refused / stranger.served < 0.01, `${stranger.refused} of its ${stranger.served} requests were`)
  t.ok(stranger.served >= MINUTES * 99, 'it had the third that it asked for')
  const used = (served * UNITS) / (LIMIT * (MINUTES - 1) - stranger.served * UNITS)
  t.ok(used >= 0.9, `${(used * 100).toFixed(1)} % of what it left us was used`)
})
