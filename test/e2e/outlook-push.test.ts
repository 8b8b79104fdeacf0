import t, { type Test } from 'tap'
import { createLog } from '../../pipeline/base/log.ts'
import { startGateway } from '../../pipeline/gateway/gateway.ts'
import { createSafetyPoll } from '../../pipeline/keeper/safety-poll.ts'
import { createWatchKeeping } from '../../pipeline/keeper/watch-keeping.ts'
import { knownMessages } from '../../shared/redis/known.ts'
import { readMailbox } from '../../shared/redis/mailboxes.ts'
import { listRuns } from '../../shared/redis/runs.ts'
import { analysisTasks } from '../../shared/streams.ts'
import { testMail, testMailbox } from '../support/mail.ts'
import { BO, BO_ADDRESS, startOutlook } from '../support/outlook.ts'
import { freePort, startRedis } from '../support/redis.ts'
import { hidden } from '../support/surroundings.ts'
import { until } from '../support/until.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const NOTIFICATIONS = 1000

const redis = await startRedis()
t.teardown(() => redis.stop())

t.test('a delivered mail is pushed, read and analysed with one call', async t => {
  const { sim, complete, keep } = await watched(t)
  await keep()
  await complete()
  sim.resetCalls()
  sim.deliver(BO_ADDRESS, testMail(20, 5))
  await complete()
  t.match(sim.calls(), { batch: 1, total: 1 })
})

t.test('an announced message that is not listed yet is checked again', async t => {
  const { sim, complete, keep, runs } = await watched(t)
  await keep()
  await complete()
  sim.quirks.deltaLagMs = 1000
  sim.deliver(BO_ADDRESS, testMail(20, 5))
  await complete()
  t.match(await runs(), [{ cause: 'push', listed: 1 }])
})

t.test('a message announced during a run is checked again after it', async t => {
  const { sim, complete, keep, known } = await watched(t)
  await keep()
  await complete()
  sim.quirks.deltaLagMs = 1000
  sim.resetCalls()
  const before = (await known()).length
  sim.deliver(BO_ADDRESS, testMail(20, 5))
  await until(() => sim.calls().total === 1, 'it was looked for in vain')
  const begun = Date.now()
  // Late enough that the run that finds the first one ends before the second is listed.
  await until(() => Date.now() - begun > 1500, 'the run is half over')
  sim.deliver(BO_ADDRESS, testMail(21, 5))
  await until(async () => (await known()).length === before + 2, 'both are found')
})

t.test('mail announced in a skipped folder costs one extra check', async t => {
  const { sim, complete, keep, pipeline } = await watched(t)
  await keep()
  await complete()
  sim.resetCalls()
  sim.deliver(BO_ADDRESS, testMail(20, 5), { folder: 'junkemail' })
  await until(async () => sim.calls().total === 2, 'it was looked for twice')
  await pipeline.quiet()
  t.equal(sim.calls().total, 2)
})

t.test(`${NOTIFICATIONS} notifications end with the mailbox complete, after few calls`, async t => {
  const { sim, complete, keep, known } = await watched(t)
  await keep()
  await complete()
  sim.resetCalls()
  for (let index = 20; index < 20 + NOTIFICATIONS; index++) sim.deliver(BO_ADDRESS, testMail(index, 5))
  await complete()
  t.equal((await known()).length, 20 + NOTIFICATIONS)
  const { total } = sim.calls()
  t.ok(total < NOTIFICATIONS / 10, `${total} calls`)
})

t.test('an expired subscription is recreated, and missed mail is found', async t => {
  const { sim, complete, keep, runs } = await watched(t)
  await keep()
  await complete()
  sim.subscriptions.lapse()
  sim.deliver(BO_ADDRESS, testMail(20, 5))
  await keep(DAY_MS)
  await complete()
  t.match(await runs(), [{ cause: 'poll', listed: 1 }])
  sim.deliver(BO_ADDRESS, testMail(21, 5))
  await complete()
  t.match((await runs())[0], { cause: 'push', listed: 1 }, 'the mailbox gets notifications again')
})

t.test('lifecycle events are handled in the next keeper round', async t => {
  const { sim, complete, keep, due } = await watched(t)
  await keep()
  for (const event of ['reauthorizationRequired', 'subscriptionRemoved', 'missed'] as const) {
    await complete()
    sim.notifications.set({ dropNext: event === 'missed' ? 1 : 0 })
    if (event === 'missed') sim.deliver(BO_ADDRESS, testMail(23, 5))
    sim.subscriptions.notify(event)
    if (event !== 'missed') {
      await until(async () => (await due()).length > 0, 'it is noted')
      await keep()
      t.same(await due(), [])
      sim.deliver(BO_ADDRESS, testMail(event === 'subscriptionRemoved' ? 21 : 20, 5))
    }
    await complete()
    t.pass(event)
  }
})

t.test('the safety poll finds the mail of a lost notification', async t => {
  const { sim, complete, keep, poll, runs, known } = await watched(t)
  await keep()
  await complete()
  sim.notifications.set({ dropNext: 1 })
  sim.deliver(BO_ADDRESS, testMail(20, 5))
  t.equal((await known()).length, 20)
  await poll(HOUR_MS)
  await complete()
  t.match(await runs(), [{ cause: 'poll', listed: 1 }])
})

t.test('delta links that expire mid-listing cause no duplicates', async t => {
  const { sim, pipeline, complete, tasks } = await watched(t, 600, { OUTLOOK_PAGE_SIZE: '5' })
  let pages = 0
  const forget = setInterval(() => {
    if (sim.calls().delta > 20 * (pages + 1) && pages < 3) {
      pages += 1
      sim.mailbox(BO_ADDRESS).expireDelta()
    }
  }, 1)
  t.teardown(() => clearInterval(forget))
  await pipeline.request()
  await complete()
  t.ok(pages >= 2, `forgotten ${pages} times`)
  const done = await tasks()
  t.equal(new Set(done.map(({ body }) => body.task)).size, done.length)
  t.equal(new Set(done.map(({ body }) => body.thread)).size, 5)
})

/** Sets up Bo's synced mailbox, ready to be watched, with a gateway for Graph's notifications. */
async function watched(t: Test, mails = 20, more: Record<string, string> = {}) {
  const port = await freePort()
  const { sim, pipeline } = await startOutlook(t, redis, testMailbox(BO_ADDRESS, mails, 5), {
    INITIAL_SYNC: 'all',
    GATEWAY_HOST: '127.0.0.1',
    OUTLOOK_CLIENT_STATE: 'a secret that is long enough',
    OUTLOOK_NOTIFICATION_URL: `http://127.0.0.1:${port}`,
    ...more,
  })
  const { app, mailbox } = pipeline
  const log = createLog(app.config, 'test', hidden)
  const gateway = await startGateway(app, { port, log })
  t.teardown(() => gateway.stop(1000))
  const later = (byMs: number) => ({ ...app, now: () => Date.now() + byMs })
  const known = async () => {
    const ids: string[] = []
    for await (const { id } of knownMessages(app.redis, app.keys, BO)) ids.push(id)
    return ids.sort()
  }
  const there = () => {
    const junk = new Set(sim.mailbox(BO_ADDRESS).ids('junkemail'))
    return sim
      .mailbox(BO_ADDRESS)
      .ids()
      .filter(id => !junk.has(id))
      .sort()
  }
  if (mails <= 20) await pipeline.sync()
  const before = (await listRuns(app.redis, app.keys, 1000)).length
  return {
    sim,
    pipeline,
    known,
    /** Runs a keeper round at a later time. */
    keep: (byMs = 0) =>
      createWatchKeeping(later(byMs), { providers: ['outlook'], mailboxes: () => mailbox, log })(async () => true),
    poll: (byMs: number) =>
      createSafetyPoll(later(byMs), { everyMs: HOUR_MS / 2, roundMs: 60_000, log })(async () => true),
    /** Waits until all mail is known and nothing is in flight. */
    async complete() {
      await until(async () => {
        const [ids, record] = await Promise.all([known(), readMailbox(app.redis, app.keys, BO)])
        return record?.activeRun === undefined && ids.join() === there().join()
      }, 'the mailbox is complete')
      await pipeline.quiet()
    },
    /** Returns the runs since the setup that found something, newest first. */
    runs: async () =>
      (await listRuns(app.redis, app.keys, 1000)).slice(0, -before || undefined).filter(({ listed }) => listed > 0),
    due: async () => app.redis.smembers(app.keys.subscriptionsDue),
    tasks: () => pipeline.read(analysisTasks),
  }
}
