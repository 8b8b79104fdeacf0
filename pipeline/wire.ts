import { setTimeout as timeout } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import type { Config } from '../shared/config.ts'
import type { MailboxId } from '../shared/mailbox.ts'
import { createCache } from '../shared/redis/cache.ts'
import { openClock } from '../shared/redis/clock.ts'
import type { RunEvent } from '../shared/redis/commit.ts'
import { connectRedis, openRedis } from '../shared/redis/connect.ts'
import { createKeys, type Keys } from '../shared/redis/keys.ts'
import { createLedger } from '../shared/redis/ledger.ts'
import { checkLayout } from '../shared/redis/mailboxes.ts'
import { createQueue } from '../shared/redis/queue.ts'
import { runRecord } from '../shared/redis/runs.ts'
import type { Run, Stage } from '../shared/stage.ts'
import { oneAtATime } from './alone.ts'
import { withBackpressure } from './backpressure.ts'
import { watchingFilters } from './findings.ts'
import { createGuards } from './guards.ts'
import { consumerName, isKnownDead, newRunId } from './identity.ts'
import { warnOfInvalid } from './invalid-cache.ts'
import { judgeRun } from './judge.ts'
import type { Log } from './log.ts'
import { tellOfCap } from './open-outlook.ts'
import { countingParts } from './parts.ts'
import type { Mailboxes } from './providers.ts'
import { openQuotas, type Quotas } from './quotas.ts'
import { redisTls } from './redis-tls.ts'
import { type RunningStage, runStage } from './run-stage.ts'
import { paceOf, STAGES } from './stages.ts'
import { withStanding } from './standing.ts'
import { withTaskHold } from './task-hold.ts'
import { withTaskRoom } from './task-room.ts'
import { tellOf } from './tell.ts'
import { createWitness } from './witness.ts'

const JUDGE_WITHIN_MS = 1000

/** A connection to Redis with what belongs to it: all that a command needs. */
export interface Office {
  config: Config
  redis: Redis
  keys: Keys
  url: string
  /** Opens another connection to the same Redis; whoever opens it closes it. */
  openConnection(): Redis
  /** The server's time (ms since 1970), which all processes share. */
  now: () => number
  newRunId: () => string
  close(): void
}

/** Connects to Redis and checks that its data fits the settings; throws `misconfigured` otherwise. */
export async function openOffice(config: Config, url: string): Promise<Office> {
  const tls = redisTls(config)
  const redis = await connectRedis(url, { tls })
  const keys = createKeys(config.REDIS_PREFIX, config.PARTITIONS)
  try {
    await checkLayout(redis, keys)
    const { now, stop } = await openClock(redis)
    const close = () => {
      stop()
      redis.disconnect()
    }
    const openConnection = () => openRedis(url, { tls })
    return { config, redis, keys, url, openConnection, now, newRunId: () => newRunId(now()), close }
  } catch (error) {
    redis.disconnect()
    throw error
  }
}

/** Starts stages in this process, each with a consumer and a reading connection of its own. */
export function startStages(
  stages: readonly Stage[],
  office: Office,
  options: {
    mailboxes: Mailboxes
    log: Log & { child(fields: object): Log }
    onEvent?: (event: RunEvent) => void
    quotas?: Quotas
  },
): RunningStage {
  const { config, redis, keys, now } = office
  const [firstStage] = STAGES
  const { quotas = openQuotas(office, { log: options.log }) } = options
  const guardOf = createGuards(office, options.log)
  if (firstStage && stages.includes(firstStage)) tellOfCap(config, options.log)
  const witness = createWitness(config.CIRCUIT_BREAKER_FAILURE_THRESHOLD, now)
  const consumer = consumerName(config.RAILWAY_REPLICA_ID)
  const alone = oneAtATime()
  const judging = new Set<Promise<void>>()
  const onInvalid = warnOfInvalid(options.log)
  const running = stages.map(stage => {
    const log = options.log.child({ stage: stage.name })
    const streams = stage.reads.map(({ name }) => name)
    const queue = createQueue({ redis, keys, stage: stage.name, streams, consumer, now })
    const backlog = { limit: config.BACKLOG_LIMIT, sliceSize: config.GMAIL_BATCH_SIZE, log }
    const roomy = stage === firstStage ? withTaskRoom(stage, office, log) : stage
    const paced = stage === firstStage ? withBackpressure(roomy, office, backlog) : stage
    const holding = stage.name === 'thread-group' ? withTaskHold(paced, office, log) : paced
    return runStage(withStanding(holding, office), {
      queue,
      blocking: office.openConnection(),
      commit: {
        redis,
        keys,
        consumer,
        longRunMs: config.MAX_SYNC_DURATION * 1000,
        messageSeconds: config.CACHE_MESSAGE_TTL,
        sliceSize: config.GMAIL_BATCH_SIZE,
        now,
        newRunId: office.newRunId,
      },
      pace: paceOf(stage, config),
      leaseMs: config.LEASE_MS,
      policy: {
        backoffFactor: config.RATE_LIMIT_BACKOFF_FACTOR,
        maxAttempts: config.MAX_ATTEMPTS,
        random: Math.random,
      },
      // Where no provider is asked none can be away.
      isOwnFault: stage.pace.calls ? witness.isOwnFault : () => true,
      runFor,
      isDead: isKnownDead,
      alone,
      onEvent: event => {
        tellOf(event, log)
        if (event.event === 'run-ended') judge(event, log)
        options.onEvent?.(event)
      },
      log,
    })
  })

  return {
    async stop(drainMs) {
      await Promise.all(running.map(stage => stage.stop(drainMs)))
      // A Redis that does not answer is not waited for: the keeper looks at what is left.
      await Promise.race([Promise.all(judging), timeout(JUDGE_WITHIN_MS, undefined, { ref: false })])
    },
  }

  // The keeper does it where this process cannot.
  function judge(event: RunEvent, log: Log): void {
    const judged = judgeRun(office, runRecord(event.run, event), log).catch(() => undefined)
    judging.add(judged)
    void judged.then(() => judging.delete(judged))
  }

  function runFor(mailbox: MailboxId, call: Run['call']): Run {
    const quota = quotas(mailbox)
    return {
      mailbox: watchingFilters(witness.watch(mailbox, guardOf(mailbox)(countingParts(options.mailboxes(mailbox)))), {
        office,
        mailbox,
        log: options.log,
      }),
      call: quota ? { ...call, quota } : call,
      cache: createCache(redis, keys, { mailbox, ttlSeconds: config.CACHE_MESSAGE_TTL, onInvalid }),
      ledger: createLedger(redis, keys, mailbox, now),
      task: { tokens: config.TASK_TOKENS, promptVersion: config.PROMPT_VERSION, model: config.AI_MODEL },
      now,
    }
  }
}
