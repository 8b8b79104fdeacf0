import type { Redis } from 'ioredis'
import { EMPTY, from, groupBy, ignoreElements, lastValueFrom, mergeMap, type Observable, of } from 'rxjs'
import type { Lane } from '../../shared/envelope.ts'
import { MailError } from '../../shared/error.ts'
import { scheduledLooks } from '../../shared/look.ts'
import type { Machine } from '../../shared/machine.ts'
import type { MailboxId } from '../../shared/mailbox.ts'
import { type CommitOptions, commitWork, type RunEvent, type Work } from '../../shared/redis/commit.ts'
import { type Entry, openRaw } from '../../shared/redis/entry.ts'
import { type Queue, type RawEntry, SUSPECT } from '../../shared/redis/queue.ts'
import type { Outcome, Pace, Stage, StageContext } from '../../shared/stage.ts'
import { setAsides } from '../../shared/windows/deferred.ts'
import type { Log } from '../base/log.ts'
import { abortForMany, sleep, within } from '../base/wait.ts'
import { inBatches } from './batches.ts'
import { createCredit, sizeOf } from './credit.ts'
import { isolateFailures, retryTime } from './handle.ts'
import { createMeter, type Meter } from './meter.ts'
import type { OneAtATime } from './one-at-a-time.ts'
import type { Paces } from './paces.ts'
import { createRateLimitWaits } from './rate-limit-waits.ts'
import { startReader } from './reader.ts'
import type { RecoverPolicy } from './recover.ts'
import type { IsOwnFault } from './set-aside.ts'
import { stageLog } from './stage-log.ts'
import { type BatchResult, createTurns, type MailboxBatch, type Turns } from './turns.ts'
import { postponed, splitUp, workOf, workOfSpoiled } from './work-of.ts'

/** A stage that runs in this process. */
export interface RunningStage {
  /** Stops reading and starting batches, finishes in-flight work within `drainMs`, and hands the rest back. */
  stop(drainMs: number): Promise<void>
}

export interface StageOptions {
  queue: Queue
  /** A connection for the reader alone. */
  blocking: Redis
  commit: CommitOptions
  paces: Paces
  leaseMs: number
  policy: RecoverPolicy
  isOwnFault: IsOwnFault
  /** Creates the handler's context for a mailbox; throws MailError for a mailbox that cannot be served. */
  runFor: (mailbox: MailboxId, call: StageContext['call']) => StageContext
  isDead: (consumer: string) => boolean
  /** Shared by all stages of the process. */
  alone: OneAtATime
  onEvent: (event: RunEvent) => void
  log: Log
  machine: Machine
}

const COMMIT_AGAIN_MS = 250
const HEARTBEATS_PER_LEASE = 3
const ABORT_GRACE_MS = 500
const MAX_TRIALS = 3
const LATE_AFTER_LEASES = 5
// A mailbox that waits no longer than this keeps its entries in this process.
const LONGEST_PAUSE_MS = 2000

/** Runs a stage: reads on credit, batches by mailbox when a slot is free, handles, and commits each batch as a whole. Errors never leave a batch. */
export function runStage<In>(stage: Stage<In>, options: StageOptions): RunningStage {
  const { queue, paces, leaseMs, log, isDead, machine } = options
  const { now, keys } = options.commit
  const credit = createCredit(paces)
  const reader = startReader({ queue, connection: options.blocking, credit, leaseMs, isDead, now, machine, log })
  const turnsAt = new Map<Pace, Turns<In>>()
  const stopping = new AbortController()
  const aborted = abortForMany()
  const report = stageLog(log, now)
  const rateLimitWaits = createRateLimitWaits(now)
  const heartbeat = machine.every(leaseMs / HEARTBEATS_PER_LEASE, () => void renewAll())
  const finished = lastValueFrom(
    reader.entries.pipe(
      mergeMap(opened),
      // Mailboxes of one pace share its slots: a slow provider takes none from another.
      groupBy(({ items: [item] }) => (item ? paces.of(item.mailbox) : paces.least)),
      mergeMap(entries => entries.pipe(batched(entries.key))),
    ),
    { defaultValue: undefined },
  )

  return {
    async stop(drainMs) {
      stopping.abort()
      reader.stop()
      await within(finished, drainMs, machine)
      aborted.abort()
      heartbeat.cancel()
      // A handler that ignores its signal is abandoned: its entries are handed over, and it can no longer commit.
      await within(finished, ABORT_GRACE_MS, machine)
      await queue
        .shutdown()
        .catch(error =>
          log.warn({ error: String(error) }, 'could not hand work back; other processes take it over after the lease'),
        )
    },
  }

  function batched(pace: Pace) {
    const turns = createTurns<In>(pace, now)
    turnsAt.set(pace, turns)
    return inBatches({ turns, slots: pace.concurrency, work, ended: relieve, stopping: stopping.signal, now, machine })
  }

  function opened(raw: RawEntry): Observable<Entry<In>> {
    const entry = openRaw(raw, stage.reads, ({ mailbox }) => keys.partitionIn(raw.key) === keys.partitionOf(mailbox))
    const [item] = entry.items
    if (item) credit.assign(entry, item.mailbox, sizeOf(paces.of(item.mailbox), entry))
    relieve(entry)
    if (entry.spoiled.length > 0) {
      void commit(workOfSpoiled(stage, entry, { now, log }))
      return EMPTY
    }
    const isSuspect = raw.deliveries >= SUSPECT || entry.items.some(({ suspect }) => suspect)
    return isSuspect ? from(options.alone(() => tryAlone(entry))).pipe(ignoreElements()) : of(entry)
  }

  // Processes died while working on this entry. A trial alone shows whether the entry is the cause.
  async function tryAlone(entry: Entry<In>): Promise<void> {
    if (stopping.signal.aborted) return
    const deliveries = await untilAnswered(() => queue.tryAlone(entry))
    if (!deliveries) return reader.done([entry])
    // A slice is tried whole once, because most processes die of another cause; its parts count that trial.
    const trial = deliveries - (entry.items.some(({ suspect }) => suspect) ? 0 : SUSPECT)
    if (trial > 1 && entry.items.length > 1) {
      log.warn({ entry: entry.entryId, stream: entry.stream }, 'processes died on this entry; splitting it')
      return commit(splitUp(stage, entry, now()))
    }
    if (trial > MAX_TRIALS) {
      const error = new MailError('crashed', `${MAX_TRIALS} processes died while working on this item alone`)
      return commit(workOf(stage, [entry], { failed: entry.items.map(item => ({ item, error })) }, recording()))
    }
    const facts = { entry: entry.entryId, stream: entry.stream, trial, of: MAX_TRIALS }
    log.warn(facts, 'processes died on this entry; trying it alone')
    await handleAndCommit([entry], () => undefined)
  }

  async function work({ entries }: MailboxBatch<In>): Promise<BatchResult> {
    // Marked before any other request, and awaited beside it.
    const marked = markBegun(entries)
    const ending = await handleAndCommit(entries, pauseIfShort)
    await marked
    return ending
  }

  // The mark tells a consumer that takes over which entries were in work and which were only read ahead.
  async function markBegun(entries: readonly Entry<In>[]): Promise<void> {
    const unmarked = entries.filter(entry => !entry.hasBegun)
    for (const entry of unmarked) entry.hasBegun = true
    const unmarkedKeys = [...new Set(unmarked.map(entry => entry.key))]
    await Promise.all(
      unmarkedKeys.map(key => {
        const ids = unmarked.filter(entry => entry.key === key).map(({ entryId }) => entryId)
        return untilAnswered(() => queue.begin(key, ids), ids.length)
      }),
    )
  }

  /** `pauseFor` returns until when the batch waits in this process instead of in the delays. */
  async function handleAndCommit(
    entries: readonly Entry<In>[],
    pauseFor: (outcome: Outcome<In>) => number | undefined,
  ): Promise<BatchResult> {
    const meter = createMeter()
    const items = entries.flatMap(entry => entry.items)
    const handling = { signal: aborted.signal, onRedisError: report.redisFailed, machine }
    const outcome = await isolateFailures(items, some => handled(some, meter), handling)
    if (!outcome) return 'done'
    const pausedUntil = meter.isZero() ? pauseFor(outcome) : undefined
    if (pausedUntil !== undefined) {
      rateLimitWaits.note(outcome, pausedUntil)
      return { pausedUntil }
    }
    await commit(workOf(stage, entries, outcome, { ...recording(), meter }))
    return outcome.failed?.length === items.length ? 'failing' : 'done'
  }

  async function handled(items: Entry<In>['items'], { count: meter, countParts: parts }: Meter): Promise<Outcome<In>> {
    const mailbox = items[0]?.mailbox ?? 'gmail:'
    const lateMs = leaseMs * LATE_AFTER_LEASES
    const late = machine.after(lateMs, () => report.slowBatch(mailbox, items.length, lateMs))
    try {
      return await stage.handle({ mailbox, items }, options.runFor(mailbox, { signal: aborted.signal, meter, parts }))
    } finally {
      late.cancel()
    }
  }

  // No call was made, because the quota refused it: a short wait stays in this process.
  function pauseIfShort(outcome: Outcome<In>): number | undefined {
    const retryAt = retryTime(outcome, now())
    return retryAt !== undefined && retryAt - now() <= LONGEST_PAUSE_MS ? retryAt : undefined
  }

  // Paused mailboxes must not use up the credit of others. Their entries are delayed long enough not to return at once.
  function relieve({ lane }: { lane: Lane }): void {
    if (credit.room(lane) > 0) return
    const paused = [...turnsAt.values()].flatMap(turns => turns.takePaused(lane))
    for (const { entries, pausedUntil } of paused) {
      const dueAt = Math.max(pausedUntil, now() + LONGEST_PAUSE_MS * (1 + options.policy.random()))
      void commit(postponed(stage, entries, Math.ceil(dueAt)))
    }
  }

  function recording() {
    return { policy: options.policy, isOwnFault: options.isOwnFault, meter: createMeter(), now, log }
  }

  // A commit is gated on XACK, so it may be retried until Redis confirms it.
  async function commit(work: Work): Promise<void> {
    if (work.inputs.length === 0) return
    const done = { ...work, rests: rateLimitWaits.take(work) }
    let times = 0
    const committed = await untilAnswered(() => {
      times += 1
      return commitWork(done, options.commit)
    }, done.inputs.length)
    if (!committed) return
    reader.done(done.inputs)
    for (const { dueAt } of [...done.delays, ...scheduledLooks(done.facts), ...setAsides(done.facts)])
      reader.expect(dueAt)
    // After a retry, "not acknowledged" may mean that the first attempt succeeded.
    if (times === 1) report.takenOver(committed.acked)
    for (const event of committed.events) options.onEvent(event)
  }

  /** Retries a Redis request until it succeeds; returns `undefined` once the stage has aborted. */
  async function untilAnswered<T>(ask: () => Promise<T>, entries = 1): Promise<T | undefined> {
    while (!aborted.signal.aborted) {
      try {
        return await ask()
      } catch (error) {
        report.redisFailed(error, entries)
        await sleep(COMMIT_AGAIN_MS, aborted.signal, machine)
      }
    }
    return undefined
  }

  async function renewAll(): Promise<void> {
    const out = credit.out()
    for (const key of new Set(out.map(entry => entry.key))) {
      const ids = out.filter(entry => entry.key === key).map(({ entryId }) => entryId)
      await queue.renewLease(key, ids).catch(() => undefined)
    }
  }
}
