import t from 'tap'
import type { MailboxId } from '../../../shared/mailbox.ts'
import { createKeys } from '../../../shared/redis/keys.ts'
import { endTokenRefusals, noteTokenRefusal } from '../../../shared/redis/token-refusals.ts'
import { clusterFor } from '../../support/redis.ts'

const ANA: MailboxId = 'gmail:ana@example.com'
const MAX_MS = 10_000

const { redis } = await clusterFor(t)
const keys = createKeys('test', 1)
const since = `${keys.tokenRefused(ANA)}:since`

t.test('refusals count from the first one until a success', async t => {
  t.ok((await noteTokenRefusal(redis, keys, ANA)) < MAX_MS)
  await redis.pexpire(since, 24 * 3_600_000 - 900_000)
  const lasted = await noteTokenRefusal(redis, keys, ANA)
  t.ok(lasted >= 900_000 && lasted < 900_000 + MAX_MS)
  await endTokenRefusals(redis, keys, ANA)
  t.ok((await noteTokenRefusal(redis, keys, ANA)) < MAX_MS)
})

t.test('a refusal without an age has just begun', async t => {
  await noteTokenRefusal(redis, keys, ANA)
  await redis.persist(since)
  t.equal(await noteTokenRefusal(redis, keys, ANA), 0)
})

t.test("another process's success ends the refusals too", async t => {
  const pttl = redis.pttl.bind(redis)
  t.teardown(() => Object.assign(redis, { pttl }))
  Object.assign(redis, {
    pttl: async (key: string) => {
      await endTokenRefusals(redis, keys, ANA)
      return pttl(key)
    },
  })
  t.equal(await noteTokenRefusal(redis, keys, ANA), 0)
})
