import t from 'tap'
import { openApp } from '../../../pipeline/base/app.ts'
import { createProbing } from '../../../pipeline/keeper/probing.ts'
import { readConfig } from '../../../shared/config.ts'
import { MailError } from '../../../shared/error.ts'
import type { MailboxId } from '../../../shared/mailbox.ts'
import { connectMailbox, pauseMailbox, readMailbox } from '../../../shared/redis/mailboxes.ts'
import { fakeMailbox } from '../../support/fake-mailbox.ts'
import { logTo } from '../../support/gateway.ts'
import { startRedis } from '../../support/redis.ts'

const HOUR_MS = 3_600_000
const redis = await startRedis()
t.teardown(() => redis.stop())
const ours = async () => true

t.test('a thousand parked mailboxes are probed one a second, each hourly', async t => {
  const names = Array.from({ length: 1000 }, (_, place): MailboxId => `gmail:m${place}@example.com`)
  const { app, clock, asked, probe } = await open(t, names)
  await probe(ours)
  t.equal(asked.length, 0, 'none before its time')
  clock.ms += HOUR_MS
  const startedAt = performance.now()
  await probe(ours)
  const first = asked.length
  t.ok(
    first >= 2 && first <= (performance.now() - startedAt) / 1000 + 1,
    `${first} in ${performance.now() - startedAt} ms`,
  )
  const gaps = asked.slice(1).map(({ at }, place) => at - (asked[place]?.at ?? 0))
  t.ok(Math.min(...gaps) >= 1000, `${gaps}`)
  await probe(ours)
  t.equal(new Set(asked.map(({ mailbox }) => mailbox)).size, asked.length, 'others come next')
  const [one] = asked
  const record = one && (await readMailbox(app.redis, app.keys, one.mailbox))
  t.match(record, { needsReauth: 'still no licence', probedAt: clock.ms }, 'the newest reason is kept')
})

t.test('a probe failing otherwise keeps the reason, paused mailboxes are skipped', async t => {
  const ana: MailboxId = 'gmail:ana@example.com'
  const bo: MailboxId = 'gmail:bo@example.com'
  const { app, clock, asked, probe } = await open(t, [ana, bo], new MailError('unavailable', 'HTTP 503'))
  await pauseMailbox(app.redis, app.keys, bo, clock.ms)
  clock.ms += HOUR_MS
  await probe(ours)
  t.same(
    asked.map(({ mailbox }) => mailbox),
    [ana],
  )
  t.match(await readMailbox(app.redis, app.keys, ana), { needsReauth: 'no licence', probedAt: clock.ms })
})

async function open(
  t: { teardown(work: () => unknown): void },
  names: readonly MailboxId[],
  error = new MailError('unauthorized', 'still no licence'),
) {
  await redis.client.flushall()
  const opened = await openApp(readConfig({ PARTITIONS: '1' }), redis.url)
  t.teardown(() => opened.close())
  const clock = { ms: Date.now() }
  const asked: { mailbox: MailboxId; at: number }[] = []
  const app = { ...opened, now: () => clock.ms }
  for (const name of names) {
    await connectMailbox(app.redis, app.keys, name, 'pinned:1', clock.ms)
    const fields = { status: 'needs-reauth', statusReason: 'no licence', parkedAt: clock.ms }
    await app.redis.hset(app.keys.mailbox(name), fields)
  }
  const mailboxes = (mailbox: MailboxId) => {
    const fake = fakeMailbox()
    fake.before = () => {
      asked.push({ mailbox, at: performance.now() })
      throw error
    }
    return fake
  }
  const probe = createProbing(app, { mailboxes, everyMs: HOUR_MS, roundMs: 3200, log: logTo([]) })
  return { app, clock, asked, probe }
}
