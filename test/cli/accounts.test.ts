import t from 'tap'
import {
  ANA,
  eventsOf,
  keys,
  push,
  record,
  setUpAccounts,
  startUp,
  waitForTasks,
  waitingIn,
} from '../support/accounts.ts'
import { connect } from '../support/consent.ts'
import { testMail } from '../support/mail.ts'
import { inTurn, lastJson } from '../support/processes.ts'
import { until } from '../support/until.ts'

t.test('an expired grant parks the mailbox once; connecting again resumes it', async t => {
  const { oauth, sim, redis, environment } = await setUpAccounts(t)
  oauth.lifeSeconds = 2
  await connect(environment)
  const up = await startUp(t, environment)
  const reported = await waitForTasks(redis, 0)

  oauth.revoke('ana@example.com')
  sim.deliver('ana@example.com', testMail(100, 101))
  await until(async () => {
    await push(redis)
    return (await record(redis)).status === 'needs-reauth'
  }, 'it waits for its account')
  t.match(await record(redis), { statusReason: /invalid_grant; connect the mailbox again/ })
  const events = await eventsOf(redis)
  t.same(events.filter(({ event }) => event === 'needs-reauth').length, 1)
  const refreshes = oauth.refreshes
  for (let round = 0; round < 3; round += 1) await push(redis)
  t.equal(oauth.refreshes, refreshes, 'a dead grant is not used again')
  t.match((await inTurn(['mailboxes'], environment)).stdout, /parked: .*invalid_grant/)
  t.match(up.stderr(), /mailbox parked; fix the reason/)

  t.match(lastJson(await connect(environment)), { mailbox: ANA, new: false })
  await waitForTasks(redis, reported)
  t.equal((await record(redis)).status, undefined)
  t.same(
    (await eventsOf(redis)).map(({ event }) => event),
    ['connected', 'needs-reauth', 'resumed'],
  )
  up.kill('SIGTERM')
  t.equal((await up.exited).code, 0)
})

t.test('a paused mailbox keeps one watch event of many until it is resumed', async t => {
  const { sim, redis, environment } = await setUpAccounts(t)
  await connect(environment)
  const up = await startUp(t, environment)
  const before = await waitForTasks(redis, 0)
  t.equal((await inTurn(['pause', ANA], environment)).code, 0)
  t.match(await inTurn(['sync', ANA], environment), {
    code: 2,
    stderr: /gmail:ana@example.com is paused; `mailsluice resume/,
  })
  sim.deliver('ana@example.com', testMail(100, 101))
  // Work with a cached mailbox state may still run for a moment.
  await until(async () => {
    await push(redis)
    return (await redis.client.llen(keys.parked(ANA))) === 1
  }, 'an event is parked')
  const calls = sim.calls().total
  for (let round = 0; round < 3; round += 1) await push(redis)
  await until(async () => (await waitingIn(redis, 'watch-events')) === 0, 'all events were handled')
  t.equal(await redis.client.llen(keys.parked(ANA)), 1, 'one is enough')
  t.equal(sim.calls().total, calls, 'Google is not asked')
  t.match((await inTurn(['mailboxes'], environment)).stdout, /gmail:ana@example\.com .* paused/)

  t.match(lastJson(await inTurn(['resume', ANA, '--json'], environment)), { mailbox: ANA, entries: 1 })
  await waitForTasks(redis, before)
  up.kill('SIGTERM')
  t.equal((await up.exited).code, 0)
  t.match(await inTurn(['pause', 'gmail:nobody@example.com'], environment), { code: 2, stderr: /is not connected/ })
})
