import { requestSync } from '../../pipeline/accounts/request-sync.ts'
import type { MailboxId } from '../../shared/mailbox.ts'
import { pauseMailbox, resumeMailbox } from '../../shared/redis/mailboxes.ts'
import { listRunsSince } from '../../shared/redis/runs.ts'
import { type Mailer, openMailer } from './mailer.ts'
import { percentile } from './percentile.ts'
import { connectAll, startPipeline } from './pipeline.ts'
import { type Rig, withRig } from './rig.ts'
import { watchTasks } from './tasks.ts'

/** The options for measuring new mail, alone and during the first sync of many mailboxes. */
export interface LiveOptions {
  /** The number of mailboxes with a first sync meanwhile. */
  backfills: number
  /** Mails in each of them; the backfill should outlast the new mails. */
  mailsEach: number
  /** The number of new mails, sent one after the other. */
  mails: number
  /** The time for measuring the rate of the backfill before and after the new mails. */
  windowMs: number
  /** The time that the backfill runs before the first measurement. */
  rampMs: number
  signal: AbortSignal
}

/** The time from the delivery of a mail at the provider to its task, in ms; a mail that waits longer than 30 s counts as 30,000. */
export interface LiveFigures {
  liveAloneP50: number
  liveAloneP95: number
  liveUnderBackfillP50: number
  liveUnderBackfillP95: number
  /** Messages per second of the backfill while new mail arrives, divided by those without new mail. */
  bulkShare: number
  /** Messages per second of the backfill without new mail. */
  bulkPerSecond: number
}

const CALL_MS = 100
const LIVE_MAILBOXES = 10
const MAILS_BEFORE = 3
const GAP_MS = { least: 100, most: 200 }
const DEADLINE_MS = 420_000
// A slow pipeline gets fewer mails.
const PHASE_MS = 60_000

/** Measures new mail in ten mailboxes, alone and then during backfills, with a provider that answers every call in 100 ms. */
export async function measureLive(options: LiveOptions): Promise<LiveFigures> {
  const live = addresses('live', LIVE_MAILBOXES)
  const backfilled = addresses('backfill', options.backfills)
  const mailboxes = [
    ...live.map(address => ({ address, messages: MAILS_BEFORE })),
    ...backfilled.map(address => ({ address, messages: options.mailsEach })),
  ]
  const { signal } = options
  return withRig(
    { name: 'live', profile: 'instant', latencyMs: CALL_MS, mailboxes, deadlineMs: DEADLINE_MS, signal },
    rig => measure(rig, { live: live.map(named), backfilled: backfilled.map(named) }, options),
  )
}

async function measure(
  rig: Rig,
  { live, backfilled }: { live: readonly MailboxId[]; backfilled: readonly MailboxId[] },
  { mails, windowMs, rampMs }: LiveOptions,
): Promise<LiveFigures> {
  const { redis, keys, now } = rig.app
  await connectAll(rig, [...live, ...backfilled])
  // `up` syncs all mailboxes of a simulator at startup, except paused ones.
  await Promise.all(backfilled.map(mailbox => pauseMailbox(redis, keys, mailbox, now())))
  await startPipeline(rig, 1)
  const tasks = watchTasks(rig)
  try {
    const mailer = await openMailer(rig, live, tasks)
    const alone = await sendAll(rig, mailer, mails, async () => false)

    const since = now()
    await Promise.all(
      backfilled.map(async mailbox => {
        await resumeMailbox(redis, keys, mailbox, { unpause: true, now: Date.now() })
        await requestSync(rig.app, mailbox)
      }),
    )
    await rig.until(async () => ((await backfillOf(rig, backfilled, since)).read > 0 ? true : undefined))
    await rig.pause(rampMs)
    const meter = await openMeter(rig, backfilled, since)
    await rig.pause(windowMs)
    const before = await meter.lap()
    const isOver = async () => (await backfillOf(rig, backfilled, since)).isOver
    const beside = await sendAll(rig, mailer, mails, isOver)
    const during = await meter.lap()
    await rig.pause(windowMs)
    const after = await meter.lap()
    // A backfill that ended within the last window gives no valid rate.
    const without = (await isOver()) ? before : (before + after) / 2
    return {
      liveAloneP50: percentile(alone, 0.5),
      liveAloneP95: percentile(alone, 0.95),
      liveUnderBackfillP50: percentile(beside, 0.5),
      liveUnderBackfillP95: percentile(beside, 0.95),
      bulkShare: during / without,
      bulkPerSecond: without,
    }
  } finally {
    tasks.stop()
  }
}

/** Sends mails one after the other, as many as time permits, until the backfill is over; returns their latencies in ms. */
async function sendAll(
  { app, pause }: Rig,
  mailer: Mailer,
  mails: number,
  isOver: () => Promise<boolean>,
): Promise<number[]> {
  const latencies: number[] = []
  const begunAt = app.now()
  while (latencies.length < mails && app.now() - begunAt < PHASE_MS && !(await isOver())) {
    await pause(GAP_MS.least + Math.random() * (GAP_MS.most - GAP_MS.least))
    latencies.push(await mailer.send())
  }
  if (latencies.length === 0) throw new Error('the backfill ended before the first mail was measured')
  return latencies
}

/** Measures the messages read per second between two calls. */
async function openMeter(rig: Rig, mailboxes: readonly MailboxId[], since: number) {
  const take = async () => ({ atMs: performance.now(), read: (await backfillOf(rig, mailboxes, since)).read })
  let last = await take()
  return {
    async lap(): Promise<number> {
      const next = await take()
      const rate = ((next.read - last.read) / (next.atMs - last.atMs)) * 1000
      last = next
      return rate
    },
  }
}

async function backfillOf({ app }: Rig, mailboxes: readonly MailboxId[], since: number) {
  const wanted: ReadonlySet<string> = new Set(mailboxes)
  const runs = (await listRunsSince(app.redis, app.keys, since)).filter(({ mailbox }) => wanted.has(mailbox))
  const read = runs.reduce((sum, { fates }) => sum + fates.fetched + fates.cached, 0)
  return { read, isOver: runs.length >= mailboxes.length && runs.every(({ settled }) => settled) }
}

function addresses(name: string, count: number): string[] {
  return Array.from({ length: count }, (_, n) => `${name}${n}@example.com`)
}

function named(address: string): MailboxId {
  return `gmail:${address}`
}
