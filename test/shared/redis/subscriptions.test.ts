import t from 'tap'
import type { MailboxId } from '../../../shared/mailbox.ts'
import { createKeys } from '../../../shared/redis/keys.ts'
import { connectMailbox } from '../../../shared/redis/mailboxes.ts'
import { removeMailbox } from '../../../shared/redis/remove.ts'
import { subscribersOf, subscriptionMemory } from '../../../shared/redis/subscriptions.ts'
import { clusterFor } from '../../support/redis.ts'

const BO: MailboxId = 'outlook:bo@example.com'
const CY: MailboxId = 'outlook:cy@example.com'
const { redis } = await clusterFor(t)
const keys = createKeys('subscriptions', 2)

t.test('only the newest subscription is stored, in both directions', async t => {
  const memory = subscriptionMemory(redis, keys, BO)
  await connectMailbox(redis, keys, BO, 'history:1', 1)
  t.equal(await memory.read(), undefined)
  await memory.write({ id: 'one', terms: 'a' })
  await memory.write({ id: 'two', terms: 'b' })
  t.same(await memory.read(), { id: 'two', terms: 'b' })
  t.same([...(await subscribersOf(redis, keys, ['one', 'two', 'three']))], [['two', BO]])
  await memory.write({ id: 'two', terms: 'c' })
  t.same([...(await subscribersOf(redis, keys, ['two']))], [['two', BO]])
  await memory.write(undefined)
  t.equal(await memory.read(), undefined)
  t.equal(await redis.exists(keys.subscriptions), 0)
})

t.test('nothing is stored for a mailbox removed during the provider call', async t => {
  await subscriptionMemory(redis, keys, BO).write({ id: 'late', terms: 'a' })
  t.same(await redis.keys('*'), [])
})

t.test('removing a mailbox removes its subscriptions and no others', async t => {
  for (const name of [BO, CY]) await connectMailbox(redis, keys, name, 'history:1', 1)
  await subscriptionMemory(redis, keys, BO).write({ id: 'of-bo', terms: 'a' })
  await subscriptionMemory(redis, keys, CY).write({ id: 'of-cy', terms: 'a' })
  // More subscriptions than one step handles, as after interruptions.
  await redis.hset(keys.subscriptions, Object.fromEntries(Array.from({ length: 2000 }, (_, n) => [`left-${n}`, BO])))
  await removeMailbox(redis, keys, BO)
  t.same(await redis.hgetall(keys.subscriptions), { 'of-cy': CY })
  await removeMailbox(redis, keys, BO)
  t.same(await redis.hgetall(keys.subscriptions), { 'of-cy': CY })
})
