import fc from 'fast-check'
import t from 'tap'
import type { Reservation } from '../../../shared/ai/spending.ts'
import type { MailboxId } from '../../../shared/mailbox.ts'
import { createKeys } from '../../../shared/redis/keys.ts'
import { createSpending } from '../../../shared/redis/spending.ts'
import { clusterFor } from '../../support/redis.ts'

const { redis } = await clusterFor(t)

const DAY_MS = 86_400_000
// Half a minute before midnight, so that most runs pass it.
const BEGIN = 20_001 * DAY_MS - 30_000
const MINUTE_MS = 60_000
const LIMITS = { dayMicroUsd: 1000, mailboxMicroUsd: 600, requestsPerMinute: 6, tokensPerMinute: 500 }
const MAILBOXES: readonly MailboxId[] = ['gmail:ana@example.com', 'gmail:ben@example.com']

type Step =
  | { do: 'reserve'; mailbox: number; microUsd: number; tokens: number; isBulk: boolean }
  | { do: 'sent' | 'release' | 'unknown' | 'kill'; call: number }
  | { do: 'settle'; call: number; share: number }
  | { do: 'pass'; ms: number }

const call = fc.nat(7)
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant('reserve' as const),
        mailbox: fc.nat(1),
        microUsd: fc.integer({ min: 0, max: 400 }),
        tokens: fc.integer({ min: 0, max: 250 }),
        isBulk: fc.boolean(),
      }),
    },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('sent' as const), call }) },
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constant('settle' as const), call, share: fc.integer({ min: 0, max: 100 }) }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('release', 'unknown', 'kill'), call }) },
    {
      weight: 3,
      arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.constantFrom(1, 900, 7000, 31_000, 61_000) }),
    },
  ),
  { minLength: 5, maxLength: 40 },
)

/** What the plain model knows of a granted call. */
interface Known {
  reservation: Reservation
  mailbox: number
  day: number
  reservedAt: number
  sentAt: number | undefined
  microUsd: number
  tokens: number
  state: 'held' | 'sent' | 'settled' | 'released'
}

let count = 0

t.test('the books agree with a plain model, and no limit is exceeded, whatever is killed', async t => {
  await fc.assert(
    fc.asyncProperty(steps, async steps => {
      count += 1
      const keys = createKeys(`model${count}`, 2)
      let now = BEGIN
      const spending = createSpending({ redis, keys, limits: LIMITS, now: () => now })
      const calls: Known[] = []
      const counts = ({ state, reservedAt }: Known) =>
        state === 'sent' || state === 'settled' || (state === 'held' && reservedAt + MINUTE_MS > now)
      const sum = (of: readonly Known[], name: 'microUsd' | 'tokens') => of.reduce((all, one) => all + one[name], 0)
      const onDay = (mailbox?: number) =>
        calls.filter(
          one => counts(one) && one.day === Math.floor(now / DAY_MS) && (mailbox ?? one.mailbox) === one.mailbox,
        )
      const inMinute = (length: number) =>
        calls.filter(one => counts(one) && (one.state === 'held' || (one.sentAt ?? 0) + length > now))

      for (const [place, step] of steps.entries()) {
        if (step.do === 'pass') now += step.ms
        else if (step.do === 'reserve') await reserve(step, place)
        else await change(step, calls[step.call])
        for (const [mailbox, limit] of [
          [undefined, 1000],
          [0, 600],
          [1, 600],
        ] as const)
          if (sum(onDay(mailbox), 'microUsd') > limit) throw new Error(`${place}: the day exceeds ${limit}`)
        const minute = inMinute(MINUTE_MS)
        if (minute.length > 6 || sum(minute, 'tokens') > 500) throw new Error(`${place}: a minute exceeds its limits`)
      }

      async function reserve({ mailbox, microUsd, tokens, isBulk }: Step & { do: 'reserve' }, place: number) {
        const of = { mailbox: MAILBOXES[mailbox] ?? 'gmail:x', task: `${place}`, microUsd, tokens }
        const answer = await spending.reserve({ ...of, lane: isBulk ? 'bulk' : 'live' })
        const [all, own, minute] = [onDay(), onDay(mailbox), inMinute(60_750)]
        const fits =
          sum(all, 'microUsd') + microUsd <= 1000 &&
          sum(own, 'microUsd') + microUsd <= 600 &&
          minute.length < 6 &&
          sum(minute, 'tokens') + tokens <= 500
        if (answer.outcome === 'go') {
          const day = Math.floor(now / DAY_MS)
          calls.push({
            reservation: answer,
            mailbox,
            day,
            reservedAt: now,
            sentAt: undefined,
            microUsd,
            tokens,
            state: 'held',
          })
          return
        }
        // Others that wait may come first, in whose favour a call that fits is refused; they return within the wait.
        const queued = await tickets()
        if (fits && queued === 0) throw new Error(`${place}: refused although it fits`)
        if (answer.untilMs <= now) throw new Error(`${place}: a wait until the past`)
      }

      // Without the ticket that this very refusal leaves.
      async function tickets() {
        return Object.keys(await redis.hgetall(keys.allSpending)).filter(name => name.startsWith('ticket:')).length - 1
      }

      async function change(step: Exclude<Step, { do: 'reserve' | 'pass' }>, known: Known | undefined) {
        if (!known || (known.state !== 'held' && known.state !== 'sent') || step.do === 'kill') return
        if (step.do === 'sent') {
          const isLate = known.state === 'held' && known.reservedAt + MINUTE_MS <= now
          if ((await known.reservation.sent()) === isLate) throw new Error('sent() disagrees')
          if (isLate) known.state = 'released'
          else Object.assign(known, { state: 'sent', sentAt: known.sentAt ?? now })
        } else if (step.do === 'release') {
          await known.reservation.release()
          known.state = 'released'
        } else if (known.state === 'sent') {
          const share = step.do === 'settle' ? step.share / 100 : 1
          const used = { microUsd: Math.ceil(known.microUsd * share), tokens: Math.ceil(known.tokens * share) }
          await known.reservation.settle(step.do === 'settle' ? used : undefined)
          Object.assign(known, { state: 'settled', ...used })
        }
      }

      // The stored sums are those of the model: days, and whole minutes.
      const books = [keys.allSpending, ...MAILBOXES.map(keys.spending)]
      for (const [place, key] of books.entries()) {
        const fields = await redis.hgetall(key)
        for (const day of [20_000, 20_001]) {
          const of = calls.filter(
            one => one.state === 'settled' && one.day === day && (place === 0 || one.mailbox === place - 1),
          )
          if (Number(fields[`day:${day}`] ?? 0) !== sum(of, 'microUsd'))
            throw new Error(`book ${place} of day ${day} differs`)
        }
      }
    }),
    { numRuns: 150 },
  )
  t.ok(count >= 150, `${count} runs`)
})
