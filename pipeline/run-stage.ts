import type { Redis } from 'ioredis'
import { from, lastValueFrom, mergeMap } from 'rxjs'
import { type Envelope, parseEnvelope } from '../shared/envelope.ts'
import { asMailError, MailError } from '../shared/error.ts'
import type { MailboxId } from '../shared/mailbox.ts'
import {
  type CommitOptions,
  type Committed,
  commitWork,
  type Entry,
  type RunEvent,
  type Work,
} from '../shared/redis/commit.ts'
import { isRedisError } from '../shared/redis/connect.ts'
import type { Queue, RawEntry } from '../shared/redis/queue.ts'
import type { Outcome, Pace, Run, Stage } from '../shared/stage.ts'
import { inBatches } from './batches.ts'
import type { Log } from './log.ts'
import { createMeter, type Meter } from './meter.ts'
import { startReader } from './reader.ts'
import { type Decision, decide, isPoisoned, type RecoverPolicy } from './recover.ts'
import { sleep } from './wait.ts'

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
  onEvent: (event: RunEvent) => void
  log: Log
}

const COMMIT_AGAIN_MS = 250
const COMPLAIN_EVERY_MS = 60_000
const LONGEST_REDIS_WAIT_MS = 5000
const HEARTBEATS_A_LEASE = 3
const ABORT_GRACE_MS = 500

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
  let complainAt = 0
  const heartbeat = setInterval(() => void holdAll(), leaseMs / HEARTBEATS_A_LEASE)
  const finished = lastValueFrom(
    reader.entries.pipe(
      mergeMap(raw => from(decoded(raw))),
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

  function decoded(raw: RawEntry): Entry<In>[] {
    const stream = stage.reads.find(({ name }) => name === raw.stream)
    try {
      if (!stream) return []
      return [Object.assign(raw, { envelope: parseEnvelope(raw.text ?? '', stream.body) })]
    } catch (error) {
      void commit({ ...nothing([raw]), dead: [{ entry: raw, error: asMailError(error) }] })
      return []
    }
  }

  async function work(entries: Entry<In>[], meter = createMeter(), waitMs = COMMIT_AGAIN_MS): Promise<void> {
    try {
      const [first] = entries
      if (!first) return
      const { mailbox } = first.envelope
      const run = options.runFor(mailbox, { signal: aborted.signal, meter: meter.count })
      const outcome = await stage.handle({ mailbox, items: entries.map(({ envelope }) => envelope) }, run)
      await commit(workOf(entries, outcome, meter))
    } catch (error) {
      await failed(entries, error, { meter, waitMs })
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
      complain(thrown, entries.length)
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
    await commit(workOf(entries, { failed: entries.map(({ envelope }) => ({ item: envelope, error })) }, meter))
  }

  function workOf(entries: readonly Entry<In>[], outcome: Outcome<In>, meter: Meter): Work {
    const all = { ...nothing(entries), calls: meter.calls, units: meter.units() }
    const at = now()
    // One draw for all, so that what failed together comes back together: as one call, not as many.
    const drawn = options.policy.random()
    const policy = { ...options.policy, random: () => drawn }
    const deliveries = [...(outcome.deliveries ?? [])]
    const facts = [...(outcome.facts ?? [])]
    const delays: { entry: Entry<In>; dueAt: number; attempt: number }[] = []
    const parked: { entry: Entry<In>; error: MailError }[] = []
    const dead: { entry: Entry<In>; error: MailError }[] = []
    for (const { item, error } of outcome.failed ?? []) {
      const entry = entries.find(({ envelope }) => envelope === item)
      if (!entry) continue
      const decision = decide(error, item.attempt, policy)
      tellOfFailure(item, error, decision)
      if (decision === 'dead') {
        const burial = stage.bury(item, error)
        deliveries.push(...(burial.deliveries ?? []))
        facts.push(...(burial.facts ?? []))
        dead.push({ entry, error })
      } else if (decision === 'parked') {
        parked.push({ entry, error })
      } else {
        delays.push({ entry, dueAt: at + Math.ceil(decision.retryInMs), attempt: decision.attempt })
      }
    }
    return { ...all, deliveries, facts, delays, parked, dead }
  }

  function tellOfFailure({ mailbox, run, id }: Envelope, error: MailError, decision: Decision): void {
    const facts = { kind: error.kind, error: error.message, mailbox, run, id }
    if (decision === 'dead') log.error(facts, 'given up: see the dead letters')
    else if (decision !== 'parked' && error.kind === 'throttled')
      log.info({ ...facts, ...decision }, 'slowed down by the provider')
    else if (decision === 'parked') log.error(facts, 'the mailbox waits: mend what is said here, then resume it')
    else log.warn({ ...facts, ...decision }, 'failed; trying again')
  }

  function nothing(inputs: readonly RawEntry[]): Work {
    return {
      stage: stage.name,
      inputs,
      deliveries: [],
      facts: [],
      delays: [],
      parked: [],
      dead: [],
      calls: {},
      units: 0,
    }
  }

  // Gated on XACK, a commit may be repeated until it is known to have happened.
  async function commit(done: Work): Promise<void> {
    while (!aborted.signal.aborted) {
      try {
        const committed = await commitWork(done, options.commit)
        reader.done(done.inputs)
        for (const { dueAt } of done.delays) reader.expect(dueAt)
        tell(done, committed)
        return
      } catch (error) {
        complain(error, done.inputs.length)
        await sleep(COMMIT_AGAIN_MS, aborted.signal)
      }
    }
  }

  function complain(error: unknown, entries: number): void {
    if (now() < complainAt) return
    complainAt = now() + COMPLAIN_EVERY_MS
    log.error({ error: String(error), entries }, 'Redis does not do what is asked of it; trying again')
  }

  function tell(done: Work, { acked, events }: Committed): void {
    const taken = acked.filter(ours => !ours).length
    if (taken > 0)
      log.warn(
        { entries: taken, of: done.inputs.length },
        'another consumer had taken over: its result counts, ours is dropped',
      )
    for (const event of events) options.onEvent(event)
  }

  async function holdAll(): Promise<void> {
    const inFlight = reader.inFlight()
    for (const key of new Set(inFlight.map(entry => entry.key))) {
      const ids = inFlight.filter(entry => entry.key === key).map(({ entryId }) => entryId)
      await queue.hold(key, ids).catch(() => undefined)
    }
  }
}
