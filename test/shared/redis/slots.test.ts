import t from 'tap'
import { createKeys } from '../../../shared/redis/keys.ts'
import { promoteScript, takeDeadScript } from '../../../shared/redis/scripts.ts'

import { type KeyKind, KINDS_OF_KEYS } from '../../../shared/redis/waits.ts'
import { ANA } from '../../support/pipeline.ts'
import { clusterFor } from '../../support/redis.ts'

const { redis } = await clusterFor(t)
const keys = createKeys('test', 2)
const partition = keys.partitionOf(ANA)
// Each is in a script of its own, which has no other key.
const ALONE: readonly KeyKind[] = [
  'keeper',
  'layout',
  'subscriptions',
  'subscriptionsDue',
  'projectQuota',
  'allSpending',
  'sink',
]
const INTAKE: readonly KeyKind[] = ['intake', 'intakeDead', 'intakeDelay', 'intakeMarks']
const OF_MAILBOX: readonly KeyKind[] = [
  'mailbox',
  'secret',
  'refreshing',
  'tokenRefused',
  'parked',
  'deferred',
  'warm',
  'quota',
  'spending',
  'approval',
  'message',
  'thread',
  'threadsOf',
  'link',
  'folders',
  'folderFaults',
]

t.test('all keys of a partition are in one slot, and so are those of the intake', async t => {
  const kinds = Object.keys(KINDS_OF_KEYS) as KeyKind[]
  const inPartition = kinds.filter(kind => !ALONE.includes(kind) && !INTAKE.includes(kind))
  const slots = async (some: readonly KeyKind[]) => [...new Set(await Promise.all(some.map(slotOf)))]
  t.equal((await slots(inPartition)).length, 1, `${inPartition.length} kinds of keys`)
  t.equal((await slots(INTAKE)).length, 1)
})

t.test('a script with keys of two slots is refused here', async t => {
  const [one = 'p00', other = 'p01'] = keys.partitions
  const delays = [keys.delay(one, 'merge'), keys.delay(other, 'merge')]
  await t.rejects(promoteScript(redis, delays, [2, 1]), /CROSSSLOT/)
  await t.rejects(takeDeadScript(redis, [keys.intakeDead, keys.layout], ['1-1', '0']), /CROSSSLOT/)
  t.equal(await promoteScript(redis, delays.slice(0, 1), [1, 1]), -1)
})

function slotOf(kind: KeyKind): Promise<unknown> {
  const key: unknown = keys[kind]
  if (typeof key !== 'function') return redis.call('CLUSTER', 'KEYSLOT', String(key))
  const [first, ...rest] = OF_MAILBOX.includes(kind) ? [ANA, 'x'] : [partition, 'merge', 'live']
  return redis.call('CLUSTER', 'KEYSLOT', key(first, ...rest))
}
