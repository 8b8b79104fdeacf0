import t, { type Test } from 'tap'
import { openMailboxes } from '../../pipeline/accounts/mailboxes.ts'
import { requestSync } from '../../pipeline/accounts/request-sync.ts'
import { openApp } from '../../pipeline/base/app.ts'
import { createLog } from '../../pipeline/base/log.ts'
import { STAGES } from '../../pipeline/base/stages.ts'
import { startStages } from '../../pipeline/runtime/start-stages.ts'
import { readConfig } from '../../shared/config.ts'
import type { MailboxId } from '../../shared/mailbox.ts'
import { connectMailbox } from '../../shared/redis/mailboxes.ts'
import { listRuns } from '../../shared/redis/runs.ts'
import { startGmail } from '../../sim/gmail.ts'
import { testMail, testMailbox } from '../support/mail.ts'
import { startRedis } from '../support/redis.ts'
import { hidden } from '../support/surroundings.ts'
import { until } from '../support/until.ts'

// Long compared with delays of Redis and a busy machine, so that the server's counts do not depend on them.
const CALL_MS = 400
const PATIENCE_MS = 60_000
const redis = await startRedis()
t.teardown(() => redis.stop())
t.beforeEach(() => redis.client.flushall())

t.test('concurrent mailboxes cost four calls each for fifty mails', async t => {
  const { sim, sync } = await many(t, { mailboxes: 24, messages: 50, threads: 10 })
  t.match(await sync(), { listed: 24 * 50, fetched: 24 * 50, tasks: 24 * 10 })
  t.match(sim.calls(), { list: 24, batch: 3 * 24, total: 4 * 24 })
})

t.test('mailboxes of one partition cost the same', async t => {
  const { sim, sync } = await many(t, { mailboxes: 12, messages: 50, threads: 50, settings: { PARTITIONS: '1' } })
  t.match(await sync(), { listed: 600, fetched: 600, tasks: 600 })
  t.match(sim.calls(), { list: 12, batch: 36, total: 48 })
})

t.test('three new mails cost two calls, in each of sixty mailboxes', async t => {
  const { sim, addresses, sync } = await many(t, { mailboxes: 60, messages: 1, threads: 1 })
  await sync()
  for (const address of addresses) for (let index = 1; index < 4; index += 1) sim.deliver(address, testMail(index, 9))
  sim.resetCalls()
  t.match(await sync(), { listed: 180, fetched: 180 })
  t.match(sim.calls(), { history: 60, batch: 60, total: 120 })
})

for (const [size, batches] of [
  [20, 6],
  [30, 4],
] as const) {
  for (const atOnce of [1, 3, 6]) {
    t.test(`120 single mails take ${batches} batches of ${size}, ${atOnce} at a time`, async t => {
      const settings = { GMAIL_BATCH_SIZE: `${size}`, GMAIL_MAX_CONCURRENT_BATCHES: `${atOnce}` }
      const { sim, addresses, sync } = await many(t, {
        mailboxes: 1,
        messages: 120,
        threads: 120,
        settings,
        callMs: CALL_MS,
      })
      t.match(await sync(), { listed: 120, fetched: 120 })
      t.match(sim.calls(), { list: 1, batch: batches, parts: 120, total: 1 + batches })
      const { peakConcurrent } = sim.quota.counts(addresses[0] ?? '')
      t.equal(peakConcurrent, Math.min(120, size * atOnce), 'requests in flight at the server')
    })
  }
}

t.test('the new mail of one mailbox does not wait for the backfills of others', async t => {
  const { sim, app, addresses, begin, runs } = await many(t, { mailboxes: 13, messages: 1, threads: 1, callMs: 50 })
  const [live = '', ...others] = addresses
  await begin([live])
  await until(async () => (await runs()).some(({ settled }) => settled), 'it is in sync')
  for (const address of others) for (let index = 1; index < 400; index += 1) sim.deliver(address, testMail(index, 400))
  await begin(others)
  await until(() => (sim.calls().batch ?? 0) > 6, 'the others are being read')
  sim.deliver(live, testMail(1, 9))
  sim.resetCalls()
  await requestSync(app, `gmail:${live}`)
  await until(
    async () => (await runs()).filter(run => run.mailbox === `gmail:${live}` && run.settled).length === 2,
    'it is a task',
  )
  const { batch = 0 } = sim.calls()
  t.ok(batch < 40, `${batch} batches of others were fetched meanwhile, of ${others.length * 20}`)
})

/** Starts a Gmail with such mailboxes, and all stages in this process. */
async function many(
  t: Test,
  options: { mailboxes: number; messages: number; threads: number; settings?: Record<string, string>; callMs?: number },
) {
  const { messages, threads, settings = {}, callMs } = options
  const addresses = Array.from({ length: options.mailboxes }, (_, index) => `box${index}@example.com`)
  const sim = await startGmail({
    profile: 'instant',
    ...(callMs === undefined ? {} : { latencyMs: callMs }),
    mailboxes: addresses.map(address => testMailbox(address, messages, threads)),
  })
  const config = readConfig({ LOG_LEVEL: 'silent', INITIAL_SYNC: 'all', ...settings })
  const app = await openApp(config, redis.url)
  const mailboxes = openMailboxes(config, sim.url)
  const signal = new AbortController().signal
  const ids = addresses.map((address): MailboxId => `gmail:${address}`)
  for (const id of ids) {
    const { cursor } = await mailboxes(id).open({ signal, meter: () => undefined })
    await connectMailbox(app.redis, app.keys, id, cursor, app.now())
  }
  const stages = startStages(STAGES, app, { mailboxes, log: createLog(config, 'test', hidden) })
  t.teardown(async () => {
    await stages.stop(5000)
    app.close()
    await sim.close()
  })
  const runs = () => listRuns(app.redis, app.keys, 10 * addresses.length)
  const begin = async (some: readonly string[]) => {
    for (const address of some) await requestSync(app, `gmail:${address}`)
  }
  sim.resetCalls()
  return {
    sim,
    app,
    addresses,
    runs,
    begin,
    /** Syncs all mailboxes concurrently, and returns the totals of their runs. */
    async sync() {
      const before = new Set((await runs()).map(({ run }) => run))
      await begin(addresses)
      const done = await until(
        async () => {
          const fresh = (await runs()).filter(({ run }) => !before.has(run))
          return fresh.length === addresses.length && fresh.every(({ settled }) => settled) ? fresh : undefined
        },
        'all are synced',
        PATIENCE_MS,
      )
      const sum = (count: (run: (typeof done)[number]) => number) => done.reduce((total, run) => total + count(run), 0)
      return {
        listed: sum(run => run.listed),
        fetched: sum(run => run.fates.fetched),
        tasks: sum(run => run.tasks),
      }
    },
  }
}
