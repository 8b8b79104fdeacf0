import type { Redis } from 'ioredis'
import { EMPTY, from, ignoreElements, lastValueFrom, mergeMap, type Observable, of } from 'rxjs'
import type { Lane } from '../../shared/envelope.ts'
import { MailError } from '../../shared/error.ts'
import { laterLooks } from '../../shared/later-look.ts'
import type { MailboxId } from '../../shared/mailbox.ts'
import { type CommitOptions, commitWork, type RunEvent, type Work } from '../../shared/redis/commit.ts'
import { type Entry, openRaw } from '../../shared/redis/entry.ts'
import { type Queue, type RawEntry, SUSPECT } from '../../shared/redis/queue.ts'
import type { Outcome, Pace, Stage, StageContext } from '../../shared/stage.ts'
import { setAsides } from '../../shared/windows/deferred.ts'
import type { Log } from '../base/log.ts'
import { sleep } from '../base/wait.ts'
import { inBatches } from './batches.ts'
import { createCredit, sizeOf } from './credit.ts'
import { isolating, retriedAt } from './handle.ts'
import { createMeter, type Meter } from './meter.ts'
import type { OneAtATime } from './one-at-a-time.ts'
import { createRests } from './rate-limit-waits.ts'
import { startReader } from './reader.ts'
import type { RecoverPolicy } from './recover.ts'
import type { IsOwnFault } from './set-aside.ts'
import { stageLog } from './stage-log.ts'
import { createTurns, type Ending, type Lot } from './turns.ts'
import { postponed, singledOut, workOf, workOfSpoiled } from './work-of.ts'

/** A stage at work in this process. */
export interface RunningStage {
  /** Reads no more and begins nothing, finishes what is under way within `drainMs`, leaves the rest to others. */
  stop(drainMs: number): Promise<void>
}

export interface StageOptions {
  queue: Queue
  /** A connection for the reader alone. */
  blocking: Redis
  commit: CommitOptions
  pace: Pace
  leaseMs: number
  policy: RecoverPolicy
  isOwnFault: IsOwnFault
  /** What the handler works with for a mailbox; a mailbox that cannot be served throws MailError. */
  runFor: (mailbox: MailboxId, call: StageContext['call']) => StageContext
  isDead: (consumer: string) => boolean
  /** Shared by all stages of the process. */
  alone: OneAtATime
  onEvent: (event: RunEvent) => void
  log: Log
}

const COMMIT_AGAIN_MS = 250
const HEARTBEATS_A_LEASE = 3
const ABORT_GRACE_MS = 500
const MOST_TRIALS = 3
const LATE_AFTER_LEASES = 5
// A mailbox that is to wait for no longer than this keeps its place here.
const REST_MS = 2000

/** Runs a stage: read on credit, batch by mailbox when a slot is free, handle, and commit each batch whole. Errors never leave a batch. */
export function runStage<In>(stage: Stage<In>, options: StageOptions): RunningStage {
  const { queue, pace, leaseMs, log, isDead } = options
  const { now, keys } = options.commit
  const credit = createCredit(pace)
  const reader = startReader({ queue, connection: options.blocking, credit, leaseMs, isDead, now, log })
  const turns = createTurns<In>(pace, now)
  const stopping = new AbortController()
  const aborted = new AbortController()
  const tell = stageLog(log, now)
  const rests = createRests(now)
  const heartbeat = setInterval(() => void renewAll(), leaseMs / HEARTBEATS_A_LEASE)
  const finished = lastValueFrom(
    reader.entries.pipe(
      mergeMap(opened),
      inBatches({ turns, slots: pace.concurrency, work, ended: relieve, stopping: stopping.signal, now }),
    ),
    { defaultValue: undefined },
  )

  return {
    async stop(drainMs) {
      stopping.abort()
      reader.stop()
      const drained = new AbortController()
      await Promise.race([finished, sleep(drainMs, drained.signal)])
      drained.abort()
      aborted.abort()
      clearInterval(heartbeat)
      // A handler that ignores its signal is left behind: what it held is handed over, and it can commit no more.
      await Promise.race([finished, sleep(ABORT_GRACE_MS)])
      await queue
        .leave()
        .catch(error =>
          log.warn({ error: String(error) }, 'could not hand work back; others take it over after the lease'),
        )
    },
  }

  function opened(raw: RawEntry): Observable<Entry<In>> {
    const entry = openRaw(raw, stage.reads, ({ mailbox }) => keys.partitionIn(raw.key) === keys.partitionOf(mailbox))
    const [item] = entry.items
    if (item) credit.assign(entry, item.mailbox, sizeOf(pace, entry))
    relieve(entry)
    if (entry.spoiled.length > 0) {
      void commit(workOfSpoiled(stage, entry, { now, log }))
      return EMPTY
    }
    const isSuspect = raw.deliveries >= SUSPECT || entry.items.some(({ suspect }) => suspect)
    return isSuspect ? from(options.alone(() => tryAlone(entry))).pipe(ignoreElements()) : of(entry)
  }

  // Processes have died while they had it. With no other suspect beside it, it shows whether it was that.
  async function tryAlone(entry: Entry<In>): Promise<void> {
    if (stopping.signal.aborted) return
    const deliveries = await untilAnswered(() => queue.tryAlone(entry))
    if (!deliveries) return reader.done([entry])
    // A slice is tried whole once, for most processes die of something else; what was taken from it has that trial behind it.
    const trial = deliveries - (entry.items.some(({ suspect }) => suspect) ? 0 : SUSPECT)
    if (trial > 1 && entry.items.length > 1) {
      log.warn({ entry: entry.entryId, stream: entry.stream }, 'processes died while they had this: it is taken apart')
      return commit(singledOut(stage, entry, now()))
    }
    if (trial > MOST_TRIALS) {
      const error = new MailError('crashed', `${MOST_TRIALS} processes died while they worked on this alone`)
      return commit(workOf(stage, [entry], { failed: entry.items.map(item => ({ item, error })) }, recording()))
    }
    const facts = { entry: entry.entryId, stream: entry.stream, trial, of: MOST_TRIALS }
    log.warn(facts, 'processes died while they had this: trying it alone')
    await handleAndCommit([entry], () => undefined)
  }

  async function work({ entries }: Lot<In>): Promise<Ending> {
    // Noted before anything else is asked of Redis or the provider, and awaited beside it.
    const noted = noteBegin(entries)
    const ending = await handleAndCommit(entries, restFor)
    await noted
    return ending
  }

  // Whoever takes over from a process that died knows by this what it died over, and what it had only read ahead.
  async function noteBegin(entries: readonly Entry<In>[]): Promise<void> {
    const fresh = entries.filter(entry => !entry.hasBegun)
    for (const entry of fresh) entry.hasBegun = true
    const keysOfFresh = [...new Set(fresh.map(entry => entry.key))]
    await Promise.all(
      keysOfFresh.map(key => {
        const ids = fresh.filter(entry => entry.key === key).map(({ entryId }) => entryId)
        return untilAnswered(() => queue.begin(key, ids), ids.length)
      }),
    )
  }

  /** `rest` says until when the batch waits here instead of being delayed, where it does. */
  async function handleAndCommit(
    entries: readonly Entry<In>[],
    rest: (outcome: Outcome<In>) => number | undefined,
  ): Promise<Ending> {
    const meter = createMeter()
    const items = entries.flatMap(entry => entry.items)
    const handling = { signal: aborted.signal, onRedisError: tell.ofRedis }
    const outcome = await isolating(items, some => handled(some, meter), handling)
    if (!outcome) return 'done'
    const restUntil = meter.isZero() ? rest(outcome) : undefined
    if (restUntil !== undefined) {
      rests.note(outcome, restUntil)
      return { restUntil }
    }
    await commit(workOf(stage, entries, outcome, { ...recording(), meter }))
    return outcome.failed?.length === items.length ? 'failing' : 'done'
  }

  async function handled(items: Entry<In>['items'], { count: meter, countParts: parts }: Meter): Promise<Outcome<In>> {
    const mailbox = items[0]?.mailbox ?? 'gmail:'
    const lateMs = leaseMs * LATE_AFTER_LEASES
    const late = setTimeout(() => tell.ofLateness(mailbox, items.length, lateMs), lateMs)
    try {
      return await stage.handle({ mailbox, items }, options.runFor(mailbox, { signal: aborted.signal, meter, parts }))
    } finally {
      clearTimeout(late)
    }
  }

  // Nothing was sent, for the mailbox's turn has not come: where it comes soon, the batch waits for it here.
  function restFor(outcome: Outcome<In>): number | undefined {
    const again = retriedAt(outcome, now())
    return again !== undefined && again - now() <= REST_MS ? again : undefined
  }

  // Mailboxes that rest must not keep others from being read. What makes room for those stays away for a while, or it would come and go.
  function relieve({ lane }: { lane: Lane }): void {
    if (credit.room(lane) > 0) return
    for (const { entries, restUntil } of turns.takeResting(lane)) {
      const dueAt = Math.max(restUntil, now() + REST_MS * (1 + options.policy.random()))
      void commit(postponed(stage, entries, Math.ceil(dueAt)))
    }
  }

  function recording() {
    const { policy, isOwnFault } = options
    return { policy, isOwnFault, meter: createMeter(), now, log }
  }

  // Gated on XACK, a commit may be repeated until it is known to have happened.
  async function commit(work: Work): Promise<void> {
    if (work.inputs.length === 0) return
    const done = { ...work, rests: rests.take(work) }
    let times = 0
    const committed = await untilAnswered(() => {
      times += 1
      return commitWork(done, options.commit)
    }, done.inputs.length)
    if (!committed) return
    reader.done(done.inputs)
    for (const { dueAt } of [...done.delays, ...laterLooks(done.facts), ...setAsides(done.facts)]) reader.expect(dueAt)
    // Of several times the first may have happened, and only its answer was lost.
    if (times === 1) tell.ofTakeover(committed.acked)
    for (const event of committed.events) options.onEvent(event)
  }

  /** Asks Redis again until it has answered; `undefined` when that is not to be awaited any more. */
  async function untilAnswered<T>(ask: () => Promise<T>, entries = 1): Promise<T | undefined> {
    while (!aborted.signal.aborted) {
      try {
        return await ask()
      } catch (error) {
        tell.ofRedis(error, entries)
        await sleep(COMMIT_AGAIN_MS, aborted.signal)
      }
    }
    return undefined
  }

  async function renewAll(): Promise<void> {
    const out = credit.out()
    for (const key of new Set(out.map(entry => entry.key))) {
      const ids = out.filter(entry => entry.key === key).map(({ entryId }) => entryId)
      await queue.hold(key, ids).catch(() => undefined)
    }
  }
}
