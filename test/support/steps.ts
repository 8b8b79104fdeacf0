import { fetchingOf } from '../../pipeline/accounts/providers.ts'
import type { AppContext } from '../../pipeline/base/app.ts'
import { READERS } from '../../pipeline/base/stages.ts'
import { withMailboxGate } from '../../pipeline/runtime/mailbox-gate.ts'
import { createMeter } from '../../pipeline/runtime/meter.ts'
import { workOf } from '../../pipeline/runtime/work-of.ts'
import { asMailError } from '../../shared/error.ts'
import type { Fact } from '../../shared/fact.ts'
import type { Mailbox, MailboxId } from '../../shared/mailbox.ts'
import { createCache } from '../../shared/redis/cache.ts'
import { commitWork } from '../../shared/redis/commit.ts'
import { isRedisError } from '../../shared/redis/connect.ts'
import { type Entry, openRaw } from '../../shared/redis/entry.ts'
import { createLedger } from '../../shared/redis/ledger.ts'
import { createQueue, type Queue } from '../../shared/redis/queue.ts'
import { joined, type Outcome, type Stage, type StageContext } from '../../shared/stage.ts'
import { silent } from './log.ts'

/** The stages, one batch at a time: nothing runs in parallel, and no time has to pass. */
export interface Steps {
  /** Works until no work waits; delayed work is due at once. */
  drain(): Promise<void>
  /** Retries until Redis executes the command. */
  untilDone<T>(ask: () => Promise<T>): Promise<T>
}

interface Options {
  app: AppContext
  mailbox: Mailbox
  id: MailboxId
  /** Called before each step. */
  before?: () => Promise<void>
  /** Called when Redis refused a command, before the retry. */
  refused?: (error: unknown) => Promise<void>
  tasksPerRun?: number
  /** Returns whether a sink gets the tasks now. */
  isSending?: () => boolean
  /** A refused commit is handled again, as by another process; otherwise the same commit is retried. */
  recreated?: boolean
  /** Called with the facts of each step. */
  onFacts?: (facts: readonly Fact[]) => void
}

const ME = 'me'
const ANSWER = { model: 'm', promptVersion: '1', finish: 'answered', output: {} } as const
const MAX_TRIES = 100
const AT_ONCE = 10

/** Creates the groups of one mailbox's streams, and the stages over them. */
export async function createSteps(options: Options): Promise<Steps> {
  const { app, mailbox, id, recreated = false } = options
  const { redis, keys, now, newRunId, config } = app
  const partition = keys.partitionOf(id)
  const queues = new Map<Stage, Queue>()
  for (const stage of READERS) {
    const streams = stage.reads.map(({ name }) => name)
    const queue = createQueue({ redis, keys, stage: stage.name, streams, consumer: ME, partitions: [partition], now })
    await queue.createGroups()
    queues.set(stage, queue)
  }
  const commit = {
    redis,
    keys,
    consumer: ME,
    longRunMs: 300_000,
    tasksPerRun: options.tasksPerRun,
    messageSeconds: 3600,
    resultSeconds: 3600,
    sliceSize: (mailbox: MailboxId) => fetchingOf(mailbox, config).batchSize,
    now,
    newRunId,
  }
  return { drain, untilDone }

  async function drain(): Promise<void> {
    for (let worked = true; worked; ) {
      worked = false
      for (const [stage, queue] of queues) {
        for (const key of queue.keys) while (await step(stage, queue, key)) worked = true
      }
      if (!worked) worked = await hasten()
    }
  }

  async function step(stage: Stage, queue: Queue, key: string): Promise<boolean> {
    const raws = await untilDone(() => queue.read(redis, [key], AT_ONCE, undefined))
    if (raws.length === 0) return false
    await options.before?.()
    const entries = raws.map(raw => openRaw(raw, stage.reads, () => true))
    await untilDone(() =>
      queue.begin(
        key,
        entries.map(({ entryId }) => entryId),
      ),
    )
    const again = async (done: Awaited<ReturnType<typeof handled>>) => commitWork(done, commit)
    if (recreated) await untilDone(async () => again(await handled(stage, entries)))
    else {
      const done = await untilDone(() => handled(stage, entries))
      await untilDone(() => again(done))
    }
    return true
  }

  async function handled(stage: Stage, entries: readonly Entry[]) {
    const meter = createMeter()
    const ctx: StageContext = {
      mailbox,
      call: { signal: new AbortController().signal, meter: meter.count },
      cache: createCache(redis, keys, { mailbox: id, ttlSeconds: 3600, onInvalid: () => undefined }),
      ledger: createLedger(redis, keys, id, now),
      task: { tokens: 1000, promptVersion: '1', model: '' },
      ...(options.isSending?.() ? { dispatch: { sends: true } } : {}),
      sending: { admit: async () => undefined, send: async () => ({ outcome: 'answered', answer: ANSWER }) },
      now,
    }
    const standing = withMailboxGate(stage, app)
    const outcome = await isolated(
      entries.flatMap(({ items }) => items),
      items => standing.handle({ mailbox: id, items }, ctx),
    )
    const policy = { backoffFactor: 2, maxAttempts: 5, random: () => 0 }
    const work = workOf(stage, entries, outcome, { policy, isOwnFault: () => true, meter, now, log: silent })
    options.onFacts?.(work.facts)
    return work
  }

  async function isolated(
    items: Entry['items'],
    handle: (items: Entry['items']) => Promise<Outcome<unknown>>,
  ): Promise<Outcome<unknown>> {
    try {
      return await handle(items)
    } catch (thrown) {
      if (isRedisError(thrown)) throw thrown
      if (items.length === 1) return { failed: items.map(item => ({ item, error: asMailError(thrown) })) }
      const outcomes: Outcome<unknown>[] = []
      for (const item of items) outcomes.push(await isolated([item], handle))
      return joined(outcomes)
    }
  }

  // Delayed work is due now.
  async function hasten(): Promise<boolean> {
    let moved = false
    for (const [stage, queue] of queues) {
      const delays = keys.delay(partition, stage.name)
      const members = await untilDone(() => redis.zrange(delays, '0', '-1'))
      if (members.length === 0) continue
      moved = true
      for (const member of members) await untilDone(() => redis.zadd(delays, 'XX', 0, member))
      await options.before?.()
      await untilDone(() => queue.promote())
    }
    return moved
  }

  async function untilDone<T>(ask: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await ask()
      } catch (error) {
        if (!isRedisError(error) || tries === MAX_TRIES) throw error
        await options.refused?.(error)
      }
    }
  }
}
