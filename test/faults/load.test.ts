import t from 'tap'
import type { MailboxId } from '../../shared/mailbox.ts'
import { readBacklog } from '../../shared/redis/backlog.ts'
import { connectMailbox, postWatchEvent } from '../../shared/redis/mailboxes.ts'
import { listRuns } from '../../shared/redis/runs.ts'
import { messageIds, missingIds } from '../../shared/streams.ts'
import { batchFetch } from '../../stages/batch-fetch.ts'
import { fakeMailbox } from '../support/fake-mailbox.ts'
import { startPipeline, type TestPipeline } from '../support/pipeline.ts'
import { startRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'
import { balanceOf } from './balance.ts'
import { isIntact } from './support.ts'
import { type Provider, startWorker } from './worker.ts'

const OTHERS = ['list-ids', 'cache-filter', 'merge', 'thread-group', 'ai-dispatch'] as const
const SLICE = 20
const redis = await startRedis()
t.teardown(() => redis.stop())
t.beforeEach(() => redis.client.flushall())

t.test('scaling to six processes and back under load loses and doubles nothing', async t => {
  const mailbox = fakeMailbox(500)
  const pipeline = await startPipeline(redis, mailbox, { only: OTHERS, settings: { LEASE_MS: '60000' } })
  t.teardown(() => pipeline.stop())
  mailbox.deliver(1200, 240)
  // Some can finish when they are stopped, some must hand work back.
  const start = (drainMs: number, provider: Provider) =>
    startWorker(t, {
      settings: { ...settingsOf(pipeline), LEASE_MS: '60000', DRAIN_MS: `${drainMs}` },
      url: redis.url,
      messages: 1200,
      threads: 240,
      provider,
    })
  const first = await start(5000, { afterMs: 700 })
  await pipeline.request()
  await until(() => first.answered() >= 3, 'one works')
  first.turn('silent')
  const more = await Promise.all([5000, 0, 5000, 0, 5000].map(drainMs => start(drainMs, 'silent')))
  for (const worker of more) worker.turn({ afterMs: 150 })
  await until(() => more.every(worker => worker.answered() > 0), 'six work')
  t.same((await balanceOf(pipeline)).astray, [], 'every id is in one place')
  for (const worker of more) worker.kill('SIGTERM')
  t.same(await Promise.all(more.map(({ exited }) => exited)), [0, 0, 0, 0, 0])
  const { astray, done } = await balanceOf(pipeline)
  t.same(astray, [], 'every id is in one place')
  t.ok(done < 1200, `${done} are done when one is left`)
  first.turn('answers')
  await pipeline.quiet()
  await isIntact(t, pipeline, { messages: 1200, tasks: 240 })
})

t.test('a stalled stage pauses listing until it catches up', async t => {
  const [mailboxes, messages, page, limit] = [8, 400, 100, 10]
  const mailbox = fakeMailbox(page)
  const settings = { LEASE_MS: '60000', BACKLOG_LIMIT: `${limit}` }
  const pipeline = await startPipeline(redis, mailbox, { only: OTHERS, settings })
  t.teardown(() => pipeline.stop())
  const worker = await startWorker(t, {
    settings: { ...settingsOf(pipeline), ...settings },
    url: redis.url,
    messages,
    threads: 30,
  })
  const { keys, now, newRunId, redis: client } = pipeline.app
  await until(async () => (await readBacklog(client, keys, [batchFetch])).every(({ known }) => known), 'it reads')
  worker.kill('SIGSTOP')
  mailbox.deliver(messages, 30)
  const names = Array.from({ length: mailboxes }, (_, n): MailboxId => `gmail:user${n}@example.com`)
  for (const name of names) {
    await connectMailbox(client, keys, name, 'pinned:0:0', now())
    await postWatchEvent(client, keys, name, { run: newRunId(), at: now(), body: { cause: 'push' } })
  }
  const listed = async () => (await pipeline.read(messageIds)).length
  await until(async () => (await listed()) >= limit * SLICE, 'as much is listed as may be')
  const begun = performance.now()
  await until(() => performance.now() - begun > 1500, 'a while')
  // Three batches are listed at once, and three more before the first are counted; without the limit, two windows of each mailbox.
  const most = limit * SLICE + 6 * page
  t.ok((await listed()) <= most, `${await listed()} are listed, of ${2 * page * mailboxes} that two windows would hold`)
  t.ok((await pipeline.read(missingIds)).length <= most)
  worker.kill('SIGCONT')
  await until(async () => {
    const runs = await listRuns(client, keys, 100)
    return runs.length === mailboxes && runs.every(({ settled }) => settled)
  }, 'all has come')
  await pipeline.quiet()
  await isIntact(t, pipeline, { messages: mailboxes * messages, tasks: mailboxes * 30 })
})

function settingsOf({ app }: TestPipeline): Record<string, string> {
  const { REDIS_PREFIX, PARTITIONS } = app.config
  return { REDIS_PREFIX, PARTITIONS: `${PARTITIONS}` }
}
