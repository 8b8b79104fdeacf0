import t from 'tap'
import { decide } from '../../../pipeline/runtime/recover.ts'
import { createSlowing } from '../../../pipeline/runtime/slowing.ts'
import { MailError } from '../../../shared/error.ts'
import type { Fetched, Mailbox } from '../../../shared/mailbox.ts'

const call = { signal: new AbortController().signal, meter: () => undefined }

function slow(factor: number) {
  const clock = { ms: 0 }
  const next: { answer: () => Promise<ReadonlyMap<string, Fetched>> } = { answer: async () => new Map() }
  const mailbox = createSlowing({ factor, now: () => clock.ms })({
    fetch: () => next.answer(),
    probe: async () => void (await next.answer()),
  } as unknown as Mailbox)
  const fetched = async (answer: Record<string, Fetched>) => {
    clock.ms += 1
    next.answer = async () => new Map(Object.entries(answer))
    return Object.fromEntries(await mailbox.fetch([], call))
  }
  const probed = async (thrown?: MailError) => {
    clock.ms += 1
    next.answer = () => (thrown ? Promise.reject(thrown) : Promise.resolve(new Map()))
    return mailbox.probe(call).then(
      () => undefined,
      (error: MailError) => error,
    )
  }
  return { clock, next, mailbox, fetched, probed }
}

const THROTTLED: Fetched = { outcome: 'throttled' }
const limit = (retryAfterMs?: number) =>
  new MailError('throttled', '429', retryAfterMs === undefined ? {} : { retryAfterMs })

t.test('without Retry-After, pauses grow by RATE_LIMIT_BACKOFF_FACTOR until an answer', async t => {
  for (const [factor, pauses] of Object.entries({
    1: [1000, 1000, 1000, 1000],
    2: [1000, 2000, 4000, 8000, 15_000, 15_000],
    10: [1000, 10_000, 15_000],
  })) {
    const { probed, fetched } = slow(Number(factor))
    for (const pause of pauses) t.equal((await probed(limit()))?.retryAfterMs, pause, `${factor}: ${pause}`)
    t.equal(await probed(), undefined)
    for (const pause of pauses) t.same(await fetched({ a: THROTTLED }), { a: { ...THROTTLED, retryAfterMs: pause } })
  }
})

t.test('Retry-After takes precedence and does not grow the pauses', async t => {
  const { probed, fetched } = slow(3)
  t.equal((await probed(limit(777)))?.retryAfterMs, 777)
  t.same(await fetched({ a: { ...THROTTLED, retryAfterMs: 5 } }), { a: { ...THROTTLED, retryAfterMs: 5 } })
  t.equal((await probed(limit()))?.retryAfterMs, 1000)
  const away = new MailError('unavailable', 'away')
  t.equal(await probed(away), away, 'no other error is touched')
  const ours = new MailError('throttled', 'later stages are behind', { isOurs: true })
  t.equal(await probed(ours), ours)
})

t.test('a partly served batch resets the pause, concurrent refusals count once', async t => {
  const { clock, next, mailbox, fetched, probed } = slow(2)
  await probed(limit())
  await probed(limit())
  const gone: Fetched = { outcome: 'gone' }
  t.same(await fetched({ a: THROTTLED, b: gone }), { a: { ...THROTTLED, retryAfterMs: 1000 }, b: gone })
  let refuse = () => {}
  next.answer = () =>
    new Promise((_, reject) => {
      const before = refuse
      refuse = () => {
        before()
        reject(limit())
      }
    })
  const together = [1, 2, 3].map(() => mailbox.probe(call).catch((error: MailError) => error.retryAfterMs))
  clock.ms += 10
  refuse()
  t.same(await Promise.all(together), [1000, 1000, 1000])
})

t.test('the retry decision uses these pauses', async t => {
  const policy = { backoffFactor: 3, maxAttempts: 12, random: () => 0 }
  const { probed } = slow(3)
  for (const retryInMs of [1000, 3000, 9000, 15_000]) {
    const error = (await probed(limit())) ?? new MailError('crashed', 'none')
    t.same(decide(error, 0, policy), { retryInMs, attempt: 0 })
  }
})
