import t from 'tap'
import type { Lane } from '../../../shared/envelope.ts'
import type { MailboxId } from '../../../shared/mailbox.ts'
import { createKeys } from '../../../shared/redis/keys.ts'
import { createSpending, type SpendingLimits } from '../../../shared/redis/spending.ts'
import { clusterFor } from '../../support/redis.ts'

const { redis } = await clusterFor(t)

const DAY_MS = 86_400_000
const MINUTE_MS = 60_000
const NOON = 20_000 * DAY_MS + DAY_MS / 2

/** A call as its host sees it. */
interface Seen {
  at: number
  microUsd: number
  tokens: number
  lane: Lane
  waitedMs: number
}

interface Load {
  limits: SpendingLimits
  begin: number
  minutes: number
  senders: number
  /** The share of calls whose process is killed at a random point. */
  killed: number
  worst: { microUsd: number; tokens: number }
  latencyMs: number
  /** The least share of its reserved tokens that a call takes, 0.9 by default. */
  taken?: number
  lane?: (sender: number) => Lane
}

// Thousands of calls, on a busy machine.
const TIMEOUT = { timeout: 120_000 }

let runs = 0

/**
 * Runs senders on one virtual clock: each reserves, sends, waits for its answer and settles, then begins the next task. Sends of one moment
 * reach Redis together. A killed sender begins with another task a second later.
 */
async function run(load: Load) {
  const { limits, begin, minutes, senders, killed, worst, latencyMs, taken = 0.9, lane = () => 'live' } = load
  runs += 1
  const keys = createKeys(`load${runs}`, 4)
  const clock = { ms: begin }
  const spending = createSpending({ redis, keys, limits, now: () => clock.ms })
  const seen: Seen[] = []
  let [seed, asked] = [runs * 7919, 0]
  const random = () => {
    seed = (seed * 1103515245 + 12345) % 2 ** 31
    return seed / 2 ** 31
  }
  const due = new Map<number, { at: number; go: () => Promise<number> }>()
  const start = (sender: number, at: number) => {
    const mailbox: MailboxId = `gmail:b${sender % 3}@example.com`
    const task = `${sender} ${at} ${random()}`
    const microUsd = Math.ceil(worst.microUsd * (0.5 + random() / 2))
    const tokens = Math.ceil(worst.tokens * (0.5 + random() / 2))
    const dies = random() < killed ? random() * 3 : 3
    const again = (ms: number) => {
      start(sender, clock.ms + ms)
      return Number.NaN
    }
    const reserve = async (): Promise<number> => {
      asked += 1
      const answer = await spending.reserve({ mailbox, task, lane: lane(sender), microUsd, tokens })
      if (dies < 1) return again(1000)
      if (answer.outcome === 'wait') return answer.untilMs
      if (!(await answer.sent())) throw new Error('expired at once')
      if (dies < 2) return again(1000)
      const call: Seen = { at: clock.ms, microUsd, tokens, lane: lane(sender), waitedMs: clock.ms - at }
      seen.push(call)
      if (dies < 3) return again(1000)
      const used = {
        microUsd: Math.ceil(microUsd * (0.3 + random() * 0.7)),
        tokens: Math.ceil(tokens * (taken + random() / 10)),
      }
      due.set(sender, {
        at: clock.ms + latencyMs * (0.5 + random()),
        go: async () => {
          await answer.settle(used)
          Object.assign(call, used)
          return again(0)
        },
      })
      return Number.NaN
    }
    due.set(sender, { at, go: reserve })
  }
  for (let sender = 0; sender < senders; sender += 1) start(sender, begin)
  const end = begin + minutes * MINUTE_MS
  for (;;) {
    const next = Math.min(...[...due.values()].map(({ at }) => at))
    if (next > end) break
    clock.ms = Math.ceil(next)
    const ready = [...due].filter(([, { at }]) => at <= clock.ms)
    await Promise.all(
      ready.map(async ([sender, { go }]) => {
        const before = due.get(sender)
        const at = await go()
        if (!Number.isNaN(at)) due.set(sender, { at, go })
        else if (due.get(sender) === before) due.delete(sender)
      }),
    )
  }
  return { seen, asked, keys, clock }
}

function worstMinute(seen: readonly Seen[], name: 'tokens' | 'count'): number {
  const sorted = [...seen].sort((a, b) => a.at - b.at)
  let [most, sum, first] = [0, 0, 0]
  for (const one of sorted) {
    sum += name === 'count' ? 1 : one.tokens
    for (let old = sorted[first]; old && old.at <= one.at - MINUTE_MS; old = sorted[first]) {
      sum -= name === 'count' ? 1 : old.tokens
      first += 1
    }
    most = Math.max(most, sum)
  }
  return most
}

t.test('twenty senders at the edge of a budget, killed at random, never exceed it', TIMEOUT, async t => {
  const limits = { dayMicroUsd: 60_000, mailboxMicroUsd: 30_000 }
  const begin = 20_001 * DAY_MS - 3 * MINUTE_MS
  const load = { limits, begin, minutes: 6, senders: 20, killed: 0.3, latencyMs: 2000 }
  const { seen, asked, keys } = await run({ ...load, worst: { microUsd: 1000, tokens: 1 } })
  const fields = Object.entries(await redis.hgetall(keys.allSpending))
  for (const day of [20_000, 20_001]) {
    const spent = seen
      .filter(({ at }) => Math.floor(at / DAY_MS) === day)
      .reduce((sum, { microUsd }) => sum + microUsd, 0)
    const open = fields.flatMap(([name, value]) => {
      const [, , of, microUsd] = value.split(' ')
      return name.startsWith('call:') && Number(of) === day ? Number(microUsd) : []
    })
    const booked = open.reduce((sum, one) => sum + one, Number(fields.find(([name]) => name === `day:${day}`)?.[1]))
    t.ok(spent <= booked, `${spent} spent on day ${day}, ${booked} booked: a killed call may have left or not`)
    t.ok(booked <= limits.dayMicroUsd && booked > 0.97 * limits.dayMicroUsd, 'almost the limit, and no more')
  }
  t.comment(`${seen.length} calls, ${asked} reservations`)
})

t.test('a minute of requests is used almost whole, and never exceeded', TIMEOUT, async t => {
  const limits = { requestsPerMinute: 300 }
  const load = { limits, begin: NOON, minutes: 4, senders: 60, killed: 0.02, latencyMs: 2000 }
  const { seen, asked } = await run({ ...load, worst: { microUsd: 1, tokens: 1 } })
  const most = worstMinute(seen, 'count')
  t.ok(most <= 300, `${most} in the worst minute`)
  const share = seen.filter(({ at }) => at >= NOON + MINUTE_MS).length / (300 * 3)
  t.ok(share >= 0.97, `${(share * 100).toFixed(1)} % used`)
  t.ok(asked < seen.length * 4, `${asked} reservations for ${seen.length} calls`)
})

t.test('so is a minute of tokens', TIMEOUT, async t => {
  const limits = { tokensPerMinute: 1_000_000 }
  const load = { limits, begin: NOON, minutes: 4, senders: 60, killed: 0, latencyMs: 2000 }
  const { seen, asked } = await run({ ...load, worst: { microUsd: 1, tokens: 10_000 } })
  const most = worstMinute(seen, 'tokens')
  t.ok(most <= 1_000_000, `${most} in the worst minute`)
  const later = seen.filter(({ at }) => at >= NOON + MINUTE_MS)
  const share = later.reduce((sum, { tokens }) => sum + tokens, 0) / 3_000_000
  t.ok(share >= 0.97, `${(share * 100).toFixed(1)} % used`)
  t.comment(`${asked} reservations for ${seen.length} calls`)
})

t.test('and where calls take a quarter of what they reserve', TIMEOUT, async t => {
  const limits = { tokensPerMinute: 400_000 }
  const load = { limits, begin: NOON, minutes: 3, senders: 60, killed: 0, latencyMs: 500, taken: 0.2 }
  const { seen, asked } = await run({ ...load, worst: { microUsd: 1, tokens: 14_000 } })
  t.ok(worstMinute(seen, 'tokens') <= 400_000)
  const later = seen.filter(({ at }) => at >= NOON + MINUTE_MS)
  const share = later.reduce((sum, { tokens }) => sum + tokens, 0) / 800_000
  t.ok(share >= 0.96, `${(share * 100).toFixed(1)} % used`)
  t.ok(asked < seen.length * 25, `${asked} reservations for ${seen.length} calls`)
})

t.test('nobody starves: live calls come first, and bulk ones wait for a minute or two', TIMEOUT, async t => {
  const limits = { requestsPerMinute: 30 }
  const load = { limits, begin: NOON, minutes: 10, senders: 90, killed: 0.05, latencyMs: 1000 }
  // More live senders than the limit serves.
  const lane = (sender: number): Lane => (sender % 3 === 0 ? 'bulk' : 'live')
  const { seen } = await run({ ...load, worst: { microUsd: 1, tokens: 1 }, lane })
  const longest = (of: Lane) => Math.max(...seen.filter(({ lane }) => lane === of).map(({ waitedMs }) => waitedMs))
  const number = (of: Lane) => seen.filter(({ lane }) => lane === of).length
  t.ok(number('bulk') > 20 && number('live') > number('bulk'), `${number('live')} live, ${number('bulk')} bulk`)
  t.ok(longest('live') < 4 * MINUTE_MS, `live: ${longest('live')} ms at most`)
  t.ok(longest('bulk') < 5 * MINUTE_MS, `bulk: ${longest('bulk')} ms at most`)
})
