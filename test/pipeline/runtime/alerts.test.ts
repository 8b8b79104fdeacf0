import t, { type Test } from 'tap'
import { alertLines, marksOf, recentAlerts } from '../../../pipeline/commands/marks.ts'
import { createRunAlerting } from '../../../pipeline/keeper/alerting.ts'
import { logEvent } from '../../../pipeline/runtime/log-events.ts'
import { MailError } from '../../../shared/error.ts'
import { readRun, runRecord } from '../../../shared/redis/runs.ts'
import { type FakeMailbox, fakeMailbox } from '../../support/fake-mailbox.ts'
import { ANA, startPipeline, type TestPipeline } from '../../support/pipeline.ts'
import { startRedis } from '../../support/redis.ts'

const redis = await startRedis()
t.teardown(() => redis.stop())

interface Reported {
  level: string
  facts: Record<string, unknown>
  text: string
}

t.test('evicted known mail raises one alert and one event for its run', async t => {
  const { pipeline, mailbox } = await started(t)
  mailbox.deliver(60, 10)
  await pipeline.sync()
  await forgetMail(pipeline)
  mailbox.deliver(10, 10)
  const run = await pipeline.sync()
  await pipeline.stopStages()
  const { keys, now } = pipeline.app
  const record = await readRun(redis.client, keys, keys.partitionOf(ANA), run.run)
  t.match(record, { reread: 60, lost: 60, alerts: [{ alert: 'cold-cache', level: 'warning', text: /WARM_SHARE/ }] })
  t.match(await eventsOf(pipeline), [
    { event: 'alert', mailbox: ANA, run: run.run, alert: 'cold-cache', level: 'warning', lost: '60', rate: '0' },
  ])
  const runs = record ? [record] : []
  t.match(alertLines(runs, now()), [
    new RegExp(`^warning ${ANA}, run ${run.run}: 0 of 60 previously cached messages are still cached`),
  ])
  t.same(recentAlerts(runs, now() + 25 * 3_600_000), [], 'it is no news a day later')
  t.same(runs.map(marksOf), ['cold-cache'])
})

t.test('failed parts and failed calls are counted, rate limits are not', async t => {
  const { pipeline, mailbox } = await started(t)
  const errors = [new MailError('unavailable', 'away'), new MailError('throttled', 'too fast', { retryAfterMs: 10 })]
  mailbox.before = kind => {
    const error = kind === 'fetch' ? errors.pop() : undefined
    if (error) throw error
  }
  mailbox.deliver(10)
  const { run } = await pipeline.sync()
  await pipeline.stopStages()
  t.match(await recordOf(pipeline, run), { asked: 20, failed: 10, alerts: [{ alert: 'failed-parts' }] })
})

t.test('a run records provider rate-limit waits, overlapping ones once, and not its own limits', async t => {
  const { pipeline, mailbox } = await started(t, { GMAIL_BATCH_SIZE: '5' })
  mailbox.deliver(30)
  let refused = 0
  mailbox.before = (kind, wanted) => {
    if (kind !== 'fetch' || wanted.length === 0) return
    refused += 1
    if (refused <= 3) throw new MailError('throttled', 'too fast', { retryAfterMs: 2100 })
    if (refused <= 5) throw new MailError('throttled', 'later', { retryAfterMs: 10, isOurs: true })
  }
  const run = await pipeline.sync()
  t.equal(run.listed, 30)
  const most = (run.endedAt ?? 0) - run.startedAt
  t.ok(run.waitedMs >= 1500 && run.waitedMs <= most, `waited ${run.waitedMs} of ${most} ms`)
})

t.test('short waits inside a process are recorded too', async t => {
  const { pipeline, mailbox } = await started(t)
  mailbox.deliver(3)
  const fetch = mailbox.fetch
  let refused = 0
  // Refused before any call, as by a quota.
  mailbox.fetch = (wanted, call) => {
    refused += 1
    if (refused <= 3) throw new MailError('throttled', 'not yet', { retryAfterMs: 200 })
    return fetch(wanted, call)
  }
  const run = await pipeline.sync()
  t.ok(run.waitedMs >= 300 && run.waitedMs < 4000, `waited ${run.waitedMs} ms`)
})

t.test('a metrics entry uses the field names of the dashboards', async t => {
  const { pipeline, mailbox } = await started(t)
  mailbox.deliver(12, 3)
  const run = await pipeline.sync()
  const { keys } = pipeline.app
  const [[, fields] = ['', []]] = await redis.client.xrange(keys.metrics(keys.partitionOf(ANA), 'gmail'), '-', '+')
  const entry = asRecord(fields)
  const seconds = ((run.mergedAt ?? 0) - run.startedAt) / 1000
  t.match(entry, { run: run.run, message_count: '12', duration: seconds.toFixed(3) })
  t.ok(Math.abs(Number(entry.messages_per_second) - 12 / seconds) < 0.01)
  t.equal(entry.timestamp, ((run.mergedAt ?? 0) / 1000).toFixed(3))
})

t.test('a run logs its cache hits, its cost and its completion', t => {
  const reported: Reported[] = []
  const fields = {
    mailbox: ANA,
    startedAt: '0',
    mergedAt: '14200',
    endedAt: '14240',
    listed: '50',
    cached: '35',
    fetched: '15',
    'calls:list': '1',
    'calls:batch': '2',
  }
  for (const event of ['run-merged', 'run-ended'] as const) logEvent({ event, run: 'r', ...fields }, logTo(reported))
  t.same(
    reported.map(({ text }) => text),
    [
      'Cache hit: 35/50 messages. Need to fetch: 15',
      'Sync metrics - gmail: 50 messages, 14.20s, 3 API calls, 35 cached',
      'Optimized Gmail sync completed for user ana@example.com: 50 messages in 14.2s',
    ],
  )
  reported.length = 0
  const outlook = { ...fields, mailbox: 'outlook:bo@example.com' }
  logEvent({ event: 'run-ended', run: 'r', ...outlook }, logTo(reported))
  t.match(reported, [{ text: 'Optimized Outlook sync completed for user bo@example.com: 50 messages in 14.2s' }])
  reported.length = 0
  logEvent({ event: 'run-ended', run: 'r', ...fields, listed: '0' }, logTo(reported))
  t.same(reported, [], 'one that found nothing is silent')
  t.end()
})

t.test("a wait that outlasts its run counts up to the run's end", t => {
  const fields = { mailbox: ANA, startedAt: '0', endedAt: '10000', waitedMs: '9000', waitedUntil: '12000' }
  t.equal(runRecord('r', fields).waitedMs, 7000)
  t.equal(runRecord('r', { ...fields, waitedUntil: '9500' }).waitedMs, 9000)
  t.end()
})

t.test('the keeper evaluates an ended run of a dead process once, and forgets missing runs', async t => {
  const { pipeline } = await started(t)
  const { keys, now } = pipeline.app
  const partition = keys.partitionOf(ANA)
  const endedAt = now() - 60_000
  await redis.client.hset(keys.run(partition, 'left'), { mailbox: ANA, startedAt: endedAt - 61_000, endedAt })
  await redis.client.zadd(keys.endedRuns(partition), endedAt, 'left', `${endedAt}`, 'gone')
  await redis.client.zadd(keys.endedRuns(partition), now(), 'another is at it')
  const reported: Reported[] = []
  const duty = createRunAlerting(pipeline.app, logTo(reported))
  await duty(async () => true)
  // As if another keeper had evaluated it at the same time.
  await redis.client.zadd(keys.endedRuns(partition), endedAt, 'left')
  await duty(async () => true)
  t.match(reported, [{ level: 'error', text: /the sync was slow/, facts: { run: 'left', mailbox: ANA, seconds: 61 } }])
  t.equal(reported.length, 1)
  t.match(await eventsOf(pipeline), [{ event: 'alert', alert: 'slow', level: 'error', run: 'left' }])
  t.equal((await eventsOf(pipeline)).length, 1)
  t.same(await redis.client.zrange(keys.endedRuns(partition), '0', '-1'), ['another is at it'])
})

async function started(t: Test, settings: Record<string, string> = {}) {
  const mailbox: FakeMailbox = fakeMailbox()
  const pipeline = await startPipeline(redis, mailbox, { settings })
  t.teardown(() => pipeline.stop())
  return { mailbox, pipeline }
}

async function recordOf({ app: { keys } }: TestPipeline, run: string) {
  return readRun(redis.client, keys, keys.partitionOf(ANA), run)
}

/** Evicts all mail from the cache. */
async function forgetMail({ app: { keys } }: TestPipeline): Promise<void> {
  const cached = await redis.client.keys(`${keys.message(ANA, '*')}`.replace(/[{}]/g, '?'))
  await redis.client.del(...cached)
}

async function eventsOf({ app: { keys } }: TestPipeline): Promise<Record<string, string>[]> {
  const entries = await redis.client.xrange(keys.mailboxEvents(keys.partitionOf(ANA)), '-', '+')
  return entries.map(([, fields]) => asRecord(fields)).filter(({ event }) => event === 'alert')
}

function asRecord(flat: readonly string[]): Record<string, string> {
  return Object.fromEntries(flat.flatMap((name, at) => (at % 2 === 0 ? [[name, flat[at + 1] ?? '']] : [])))
}

function logTo(reported: Reported[]) {
  const at =
    (level: string) =>
    (...words: unknown[]) =>
      void reported.push({ level, text: String(words.at(-1)), facts: words[0] as Reported['facts'] })
  return { debug: () => undefined, info: at('info'), warn: at('warn'), error: at('error') }
}
