import t from 'tap'
import { acquirePermit, spend } from '../../../shared/http/sender.ts'
import { failure, openCall } from '../gmail/google.ts'
import { scriptedQuota } from '../outlook/graph.ts'

const ones = (count: number) => Array.from({ length: count }, () => 1)

t.test('a batch counts as its parallel requests and costs all units', async t => {
  const { quota, asked } = scriptedQuota()
  t.match(await acquirePermit({ ...openCall(), quota }, ones(20), 'asking', 4), { count: 20 })
  t.match(await acquirePermit({ ...openCall(), quota }, ones(3), 'asking', 4), { count: 3 })
  t.match(await acquirePermit({ ...openCall(), quota }, ones(20), 'asking'), { count: 20 })
  t.same(asked, [
    { units: 20, requests: 4 },
    { units: 3, requests: 3 },
    { units: 20, requests: 20 },
  ])
})

t.test('fewer requests are sent where fewer are permitted, at least one', async t => {
  const { quota, asked } = scriptedQuota(
    { permit: 'fewer', most: 4 },
    { permit: 'fewer', most: 9 },
    { permit: 'fewer', most: 0 },
  )
  t.match(await acquirePermit({ ...openCall(), quota }, [5, 1, 1, 1, 1, 1], 'asking', 4), { count: 1 })
  t.same(asked, [
    { units: 10, requests: 4 },
    { units: 8, requests: 4 },
    { units: 7, requests: 3 },
    { units: 5, requests: 1 },
  ])
})

t.test('many short waits end in a throttled error', async t => {
  const { quota } = scriptedQuota(...Array.from({ length: 50 }, () => ({ permit: 'wait' as const, waitMs: 700 })))
  const thrown = await failure(acquirePermit({ ...openCall(), quota }, ones(2), 'asking'))
  t.match(thrown, { kind: 'throttled', retryAfterMs: 700, message: 'asking: the quota is spent for now' })
})

t.test('a failed send is settled as spent, with its error', async t => {
  const { quota, settled } = scriptedQuota()
  const taken = await acquirePermit({ ...openCall(), quota }, [3], 'asking')
  await t.rejects(
    spend(
      taken,
      3,
      async () => Promise.reject(new Error('cut')),
      () => ({ units: 1 }),
    ),
    { message: 'cut' },
  )
  t.same(settled, [{ units: 3 }])
})
