import t from 'tap'
import { MailError } from '../../shared/error.ts'
import { listDead } from '../../shared/redis/dead.ts'
import { missingIds, watchEvents } from '../../shared/streams.ts'
import { fakeMailbox } from '../support/fake-mailbox.ts'
import { startPipeline } from '../support/pipeline.ts'
import { startRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'
import { balanceOf } from './balance.ts'
import { isIntact } from './support.ts'
import { startWorker } from './worker.ts'

const LEASE_MS = 500
const RETRY_AFTER_MS = 1200
const MESSAGES = 100
const OTHERS = ['list-ids', 'cache-filter', 'merge', 'thread-group', 'ai-dispatch'] as const
const redis = await startRedis()
t.teardown(() => redis.stop())

t.test('waiting out a Retry-After beyond the lease costs no attempt or takeover', async t => {
  const mailbox = fakeMailbox()
  // A single spent attempt would be the last.
  const settings = { LEASE_MS: `${LEASE_MS}`, MAX_ATTEMPTS: '1' }
  const pipeline = await startPipeline(redis, mailbox, { only: OTHERS, settings })
  t.teardown(() => pipeline.stop())
  mailbox.deliver(MESSAGES, 20)
  let listings = 0
  mailbox.before = kind => {
    if (kind !== 'changes' || ++listings > 1) return
    throw new MailError('throttled', 'HTTP 429', { retryAfterMs: RETRY_AFTER_MS })
  }
  const { REDIS_PREFIX, PARTITIONS } = pipeline.app.config
  const task = {
    settings: { ...settings, REDIS_PREFIX, PARTITIONS: `${PARTITIONS}` },
    url: redis.url,
    messages: MESSAGES,
    threads: 20,
    provider: { throttledMs: RETRY_AFTER_MS },
  }
  const workers = await Promise.all([startWorker(t, task), startWorker(t, task)])
  const asked = () => workers.reduce((sum, worker) => sum + worker.asked(), 0)
  const requestedAt = performance.now()
  await pipeline.request()
  await until(() => asked() > 0, 'fetching')
  const begun = performance.now()
  t.ok(begun - requestedAt >= RETRY_AFTER_MS, 'the listing waited for as long as it was asked to')

  const astray: string[] = []
  let mostDelayed = 0
  await until(async () => {
    const balance = await balanceOf(pipeline)
    astray.push(...balance.astray)
    mostDelayed = Math.max(mostDelayed, balance.delayed)
    return performance.now() - begun > 2 * RETRY_AFTER_MS
  }, 'the storm has lasted for a while')
  t.same(astray, [], 'all the while every id is in one place')
  t.ok(mostDelayed > MESSAGES / 2, `${mostDelayed} waited at once`)
  t.ok(asked() <= 60, `${asked()} calls in twice Retry-After`)

  for (const worker of workers) worker.turn('answers')
  await pipeline.quiet()
  await isIntact(t, pipeline, { messages: MESSAGES, tasks: 20, again: [watchEvents, missingIds] })
  const attempts = (await pipeline.read(missingIds)).map(({ attempt }) => attempt)
  t.ok(attempts.length > MESSAGES, 'it came back')
  t.ok(
    attempts.every(attempt => attempt === 0),
    'without an attempt behind it',
  )
  t.same(await listDead(pipeline.app.redis, pipeline.app.keys), [])
})
