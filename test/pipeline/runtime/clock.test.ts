import t from 'tap'
import { MailError } from '../../../shared/error.ts'
import { fakeMailbox } from '../../support/fake-mailbox.ts'
import { ANA, startPipeline } from '../../support/pipeline.ts'
import { redisFor } from '../../support/redis.ts'

const { server } = await redisFor(t)
const HOUR_MS = 3_600_000
const { now } = Date
t.afterEach(() => {
  Date.now = now
})

for (const [whose, skewMs] of [
  ['an hour ahead', HOUR_MS],
  ['an hour behind', -HOUR_MS],
] as const) {
  t.test(`with a clock ${whose} nothing waits longer than requested`, async t => {
    Date.now = () => now() + skewMs
    const mailbox = fakeMailbox()
    mailbox.deliver(30, 10)
    let refusals = 0
    mailbox.before = kind => {
      if (kind !== 'fetch' || refusals >= 1) return
      refusals += 1
      // Longer than a batch waits in memory, so it goes to the delays.
      throw new MailError('throttled', 'slow down', { retryAfterMs: 2100 })
    }
    const pipeline = await startPipeline(server, mailbox)
    t.teardown(() => pipeline.stop())
    const { keys, redis } = pipeline.app
    const started = performance.now()
    const run = await pipeline.sync()
    t.match(run, { listed: 30, tasks: 10, addsUp: true })
    t.ok(performance.now() - started < 15_000, 'in seconds')
    t.ok(Math.abs(run.startedAt - now()) < 60_000, 'a run begins by the clock of Redis')
    t.ok(Math.abs(pipeline.app.now() - now()) < 60_000, 'and so does all that is reckoned')
    const since = Number(await redis.hget(keys.mailbox(ANA), 'cursorAt'))
    t.ok(Math.abs(since - now()) < 60_000)
  })

  t.test(`a process with a clock ${whose} does not delay the work of others`, async t => {
    const mailbox = fakeMailbox()
    mailbox.deliver(30, 10)
    let refusals = 0
    mailbox.before = kind => {
      if (kind !== 'fetch' || refusals >= 1) return
      refusals += 1
      throw new MailError('throttled', 'slow down', { retryAfterMs: 2100 })
    }
    const pipeline = await startPipeline(server, mailbox, { only: ['list-ids', 'cache-filter', 'merge'] })
    t.teardown(() => pipeline.stop())
    // The time it would use if it trusted the clock of its machine.
    const astray = pipeline.app.now
    pipeline.app.now = () => astray() + skewMs
    pipeline.start(['batch-fetch', 'thread-group', 'ai-dispatch'])
    pipeline.app.now = astray
    const name = await pipeline.request()
    const delays = pipeline.app.keys.delay(pipeline.app.keys.partitionOf(ANA), 'batch-fetch')
    const started = performance.now()
    let farthest = 0
    const timer = setInterval(async () => {
      const [, due = '0'] = await pipeline.app.redis.zrange(delays, '-1', '-1', 'WITHSCORES')
      farthest = Math.max(farthest, Number(due) - now())
    }, 20)
    const run = (await pipeline.quiet()).find(one => one.run === name)
    clearInterval(timer)
    t.match(run, { listed: 30, tasks: 10, addsUp: true })
    t.ok(performance.now() - started < 15_000, 'in seconds')
    t.ok(farthest < 10_000, `work was due in ${Math.round(farthest)} ms at most`)
  })
}
