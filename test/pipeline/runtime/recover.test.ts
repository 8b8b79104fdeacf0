import t from 'tap'
import { decide } from '../../../pipeline/runtime/recover.ts'
import { type ErrorKind, MailError } from '../../../shared/error.ts'

const policy = { backoffFactor: 2, maxAttempts: 4, random: () => 0.5 }
const failure = (kind: ErrorKind, retryAfterMs?: number) =>
  new MailError(kind, 'x', retryAfterMs === undefined ? {} : { retryAfterMs })

t.test('throttled items are never dead-lettered and use up no attempt', async t => {
  t.same(
    decide(failure('throttled', 2128), 99, policy),
    { retryInMs: 2628, attempt: 99 },
    'never earlier than the provider asked',
  )
  t.same(decide(failure('throttled'), 0, policy), { retryInMs: 1500, attempt: 0 })
})

t.test('a mailbox that must be reconnected is parked', async t => {
  t.equal(decide(failure('unauthorized'), 50, policy), 'parked')
  t.equal(decide(failure('misconfigured'), 0, policy), 'parked')
})

t.test('unavailable items back off and are dead-lettered after the last attempt', async t => {
  t.same(
    [0, 1, 2].map(attempt => decide(failure('unavailable'), attempt, policy)),
    [
      { retryInMs: 500, attempt: 1 },
      { retryInMs: 1000, attempt: 2 },
      { retryInMs: 2000, attempt: 3 },
    ],
  )
  t.equal(decide(failure('unavailable'), 3, policy), 'dead')
  t.match(decide(failure('unavailable', 7000), 0, policy), { retryInMs: 7000 })
})

t.test('rejected items are dead-lettered at once, unparsable ones after three attempts', async t => {
  t.equal(decide(failure('rejected'), 0, policy), 'dead')
  t.match(decide(failure('unparsable'), 1, policy), { attempt: 2 })
  t.equal(decide(failure('unparsable'), 2, policy), 'dead')
})
