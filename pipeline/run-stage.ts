import type { Redis } from 'ioredis'
import { from, ignoreElements, lastValueFrom, mergeMap, type Observable } from 'rxjs'
import { type Envelope, parseEnvelope, salvageEnvelope } from '../shared/envelope.ts'
import { asMailError, MailError } from '../shared/error.ts'
import { laterLooks } from '../shared/later-look.ts'
import type { MailboxId } from '../shared/mailbox.ts'
import { type CommitOptions, commitWork, type Entry, type RunEvent, type Work } from '../shared/redis/commit.ts'
import { isRedisError } from '../shared/redis/connect.ts'
import { type Queue, type RawEntry, SUSPECT } from '../shared/redis/queue.ts'
import type { Outcome, Pace, Run, Stage } from '../shared/stage.ts'
import type { OneAtATime } from './alone.ts'
import { inBatches } from './batches.ts'
import type { Log } from './log.ts'
import { createMeter, type Meter } from './meter.ts'
import { startReader } from './reader.ts'
import { isPoisoned, type RecoverPolicy } from './recover.ts'
import { stageTeller } from './tell-stage.ts'
import { sleep } from './wait.ts'
import { workOf, workOfUnreadable } from './work-of.ts'

/** A stage at work in this process. */
export interface RunningStage {
  /** Reads no more, finishes what is under way within `drainMs`, leaves the rest to others. */
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
  /** What the handler works with for a mailbox; a mailbox that cannot be served throws MailError. */
  runFor: (mailbox: MailboxId, call: Run['call']) => Run
  isDead: (consumer: string) => boolean
  /** Shared by all stages of the process. */
  alone: OneAtATime
  onEvent: (event: RunEvent) => void
  log: Log
}

const COMMIT_AGAIN_MS = 250
const LONGEST_REDIS_WAIT_MS = 5000
const HEARTBEATS_A_LEASE = 3
const ABORT_GRACE_MS = 500
const MOST_TRIALS = 3
const LATE_AFTER_LEASES = 5

/** Runs a stage: read on credit, batch by mailbox, handle, and commit each batch whole. Errors never leave a batch. */
export function runStage<In>(stage: Stage<In>, options: StageOptions): RunningStage {
  const { queue, pace, leaseMs, log } = options
  const { now } = options.commit
  const reader = startReader({
    queue,
    connection: options.blocking,
    capacity: pace.size * pace.concurrency,
    leaseMs,
    isDead: options.isDead,
    now,
    log,
  })
  const aborted = new AbortController()
  const tell = stageTeller(log, now)
  const heartbeat = setInterval(() => void holdAll(), leaseMs / HEARTBEATS_A_LEASE)
  const finished = lastValueFrom(
    reader.entries.pipe(
      mergeMap(decoded),
      inBatches(pace, stage.reads),
      mergeMap(batch => from(work(batch)), pace.concurrency),
    ),
    { defaultValue: undefined },
  )

  return {
    async stop(drainMs) {
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

  function decoded(raw: RawEntry): Observable<Entry<In>> {
    if (raw.deliveries >= SUSPECT) return from(options.alone(() => tryAlone(raw))).pipe(ignoreElements())
    return from(readable(raw))
  }

  function readable(raw: RawEntry): Entry<In>[] {
    const stream = stage.reads.find(({ name }) => name === raw.stream)
    if (!stream) return []
    try {
      const envelope = parseEnvelope(raw.text ?? '', stream.body)
      if (isHere(raw, envelope)) return [Object.assign(raw, { envelope })]
      throw new MailError('unparsable', `${envelope.mailbox} has its streams in another partition than ${raw.key}`)
    } catch (thrown) {
      const error = asMailError(thrown)
      const facts = { kind: error.kind, error: error.message, entry: raw.entryId, stream: raw.stream }
      log.error(facts, 'cannot be read: see the dead letters')
      const item = salvageEnvelope(raw.text ?? '', stream.salvaged ?? stream.body)
      void commit(workOfUnreadable(stage, raw, error, item && isHere(raw, item) ? item : undefined))
      return []
    }
  }

  function isHere({ key }: RawEntry, { mailbox }: Envelope): boolean {
    const { keys } = options.commit
    return keys.partitionIn(key) === keys.partitionOf(mailbox)
  }

  // Processes have died while they had it. With no other suspect beside it, it shows whether it was that.
  async function tryAlone(raw: RawEntry): Promise<void> {
    if (aborted.signal.aborted) return
    const deliveries = await untilAnswered(() => queue.tryAlone(raw))
    if (!deliveries) return reader.done([raw])
    const entries = readable(raw)
    const trial = deliveries - SUSPECT
    if (trial > MOST_TRIALS) {
      const error = new MailError('crashed', `${MOST_TRIALS} processes died while they worked on this alone`)
      return allFailed(entries, error)
    }
    const facts = { entry: raw.entryId, stream: raw.stream, trial, of: MOST_TRIALS }
    log.warn(facts, 'processes died while they had this: trying it alone')
    return work(entries)
  }

  async function work(entries: Entry<In>[], meter = createMeter(), waitMs = COMMIT_AGAIN_MS): Promise<void> {
    try {
      const [first] = entries
      if (!first) return
      const { mailbox } = first.envelope
      const run = options.runFor(mailbox, { signal: aborted.signal, meter: meter.count })
      const outcome = await handled(mailbox, entries, run)
      await commit(workOf(stage, entries, outcome, recording(meter)))
    } catch (error) {
      await failed(entries, error, { meter, waitMs })
    }
  }

  async function handled(mailbox: MailboxId, entries: Entry<In>[], run: Run): Promise<Outcome<In>> {
    const lateMs = leaseMs * LATE_AFTER_LEASES
    const late = setTimeout(() => tell.ofLateness(mailbox, entries.length, lateMs), lateMs)
    try {
      return await stage.handle({ mailbox, items: entries.map(({ envelope }) => envelope) }, run)
    } finally {
      clearTimeout(late)
    }
  }

  async function failed(
    entries: Entry<In>[],
    thrown: unknown,
    { meter, waitMs }: { meter: Meter; waitMs: number },
  ): Promise<void> {
    if (aborted.signal.aborted) return
    // Redis is at fault, not the batch: it keeps, and the provider is not asked in vain too often.
    if (isRedisError(thrown)) {
      tell.ofRedis(thrown, entries.length)
      await sleep(waitMs, aborted.signal)
      return work(entries, meter, Math.min(waitMs * 2, LONGEST_REDIS_WAIT_MS))
    }
    const error = asMailError(thrown)
    // What is no MailError is a fault of ours, met with something in the batch.
    if (entries.length > 1 && (isPoisoned(error) || !(thrown instanceof MailError))) {
      const half = Math.ceil(entries.length / 2)
      await work(entries.slice(0, half), meter)
      return work(entries.slice(half))
    }
    await allFailed(entries, error, meter)
  }

  async function allFailed(entries: Entry<In>[], error: MailError, meter?: Meter): Promise<void> {
    const failed = entries.map(({ envelope }) => ({ item: envelope, error }))
    await commit(workOf(stage, entries, { failed }, recording(meter)))
  }

  function recording(meter = createMeter()) {
    return { policy: options.policy, meter, now, log }
  }

  // Gated on XACK, a commit may be repeated until it is known to have happened.
  async function commit(done: Work): Promise<void> {
    let times = 0
    const committed = await untilAnswered(() => {
      times += 1
      return commitWork(done, options.commit)
    }, done.inputs.length)
    if (!committed) return
    reader.done(done.inputs)
    for (const { dueAt } of [...done.delays, ...laterLooks(done.facts)]) reader.expect(dueAt)
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

  async function holdAll(): Promise<void> {
    const inFlight = reader.inFlight()
    for (const key of new Set(inFlight.map(entry => entry.key))) {
      const ids = inFlight.filter(entry => entry.key === key).map(({ entryId }) => entryId)
      await queue.hold(key, ids).catch(() => undefined)
    }
  }
}
