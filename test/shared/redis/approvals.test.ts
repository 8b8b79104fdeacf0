import t from 'tap'
import type { MailboxId } from '../../../shared/mailbox.ts'
import { approve, createApprovals, readApproval } from '../../../shared/redis/approvals.ts'
import { createKeys } from '../../../shared/redis/keys.ts'
import { connectMailbox } from '../../../shared/redis/mailboxes.ts'
import { clusterFor } from '../../support/redis.ts'

const { redis } = await clusterFor(t)
const keys = createKeys('approvals', 2)
const ANA: MailboxId = 'gmail:ana@example.com'
const BEN: MailboxId = 'gmail:ben@example.com'

function approvals(overMicroUsd: number | undefined) {
  const state = { now: 1_790_000_000_000, expected: 0, counted: 0 }
  const expected = async () => {
    state.counted += 1
    return state.expected
  }
  return { state, ...createApprovals({ redis, keys, now: () => state.now, overMicroUsd, expected }) }
}

t.test('bulk tasks above the sum wait until a person approves them', async t => {
  const { state, waits } = approvals(5_000_000)
  await connectMailbox(redis, keys, ANA, 'c', state.now)
  state.expected = 5_000_000
  t.equal(await waits({ mailbox: ANA, lane: 'bulk' }), undefined)
  state.expected = 5_000_001
  t.equal(await waits({ mailbox: ANA, lane: 'bulk' }), undefined, 'counted once a minute')
  state.now += 60_000
  const held = await waits({ mailbox: ANA, lane: 'bulk' })
  t.match(held, {
    untilMs: state.now + 3_600_000,
    why: /about \$5\.00: `mailsluice ai approve gmail:ana@example\.com`/,
  })
  t.equal(state.counted, 2)
  state.expected = 0
  t.match(await waits({ mailbox: ANA, lane: 'bulk' }), held, 'also where less waits later')
  t.match(await approvals(5_000_000).waits({ mailbox: ANA, lane: 'bulk' }), { why: /approve/ }, 'in any process')
  t.equal(await waits({ mailbox: ANA, lane: 'live' }), undefined)
  t.equal(await waits({ mailbox: BEN, lane: 'bulk' }), undefined)
  t.match(await readApproval(redis, keys, ANA), { expectedMicroUsd: 5_000_001, approvedAt: undefined })

  t.equal(await approve(redis, keys, { mailbox: ANA, now: state.now }), true)
  state.expected = 9_000_000
  state.now += 60_000
  t.equal(await waits({ mailbox: ANA, lane: 'bulk' }), undefined)
  const ttl = await redis.ttl(keys.approval(ANA))
  t.ok(ttl > 7 * 86_400 - 60 && ttl <= 7 * 86_400, `${ttl} s`)
})

t.test('without a sum nothing waits and nothing is counted', async t => {
  const { state, waits } = approvals(undefined)
  state.expected = 1e12
  t.equal(await waits({ mailbox: ANA, lane: 'bulk' }), undefined)
  t.equal(state.counted, 0)
})

t.test('a mailbox that is not connected is neither asked for nor approved', async t => {
  const { state, waits } = approvals(1)
  state.expected = 2
  await waits({ mailbox: ANA, lane: 'bulk' })
  t.equal(await approve(redis, keys, { mailbox: ANA, now: 1 }), false)
  t.equal(await readApproval(redis, keys, ANA), undefined)
})
