import type { MailboxId } from '../../shared/mailbox.ts'
import { createCache } from '../../shared/redis/cache.ts'
import type { RunEvent } from '../../shared/redis/commit.ts'
import { createLedger } from '../../shared/redis/ledger.ts'
import { createQueue } from '../../shared/redis/queue.ts'
import { runRecord } from '../../shared/redis/runs.ts'
import type { Stage, StageContext } from '../../shared/stage.ts'
import { warnOfInvalid } from '../accounts/invalid-cache.ts'
import type { Mailboxes } from '../accounts/mailboxes.ts'
import { fetchingOf, PROVIDERS, type Providers } from '../accounts/providers.ts'
import { openQuotas, type Quotas } from '../accounts/quotas.ts'
import type { AppContext } from '../base/app.ts'
import { consumerName, isKnownDead } from '../base/identity.ts'
import type { Log } from '../base/log.ts'
import { STAGES, senderOf } from '../base/stages.ts'
import { dispatchRules, taskOptions } from '../base/task-settings.ts'
import { within } from '../base/wait.ts'
import { withBackpressure } from './backpressure.ts'
import { withPartCounts } from './counting-parts.ts'
import { recordFilterFindings } from './findings.ts'
import { createGuards } from './guards.ts'
import { logEvent } from './log-events.ts'
import { withMailboxGate } from './mailbox-gate.ts'
import { oneAtATime } from './one-at-a-time.ts'
import { pacesOf } from './paces.ts'
import { raiseAlerts } from './raise-alerts.ts'
import { withReleaseGate } from './release-gate.ts'
import { type RunningStage, runStage } from './run-stage.ts'
import type { OpenSending } from './sending.ts'
import { withTaskRoom } from './task-room.ts'
import { createWitness } from './witness.ts'

const JUDGE_WITHIN_MS = 1000

/** Starts stages in this process, each with its own consumer and reading connection. */
export function startStages(
  stages: readonly Stage[],
  app: AppContext,
  options: {
    mailboxes: Mailboxes
    log: Log & { child(fields: object): Log }
    onEvent?: (event: RunEvent) => void
    quotas?: Quotas
    /** The open sink: the sender runs as well. */
    sending?: OpenSending | undefined
    providers?: Providers
  },
): RunningStage {
  const { config, redis, keys, now } = app
  const { machine } = app.surroundings
  const [firstStage] = STAGES
  const { providers = PROVIDERS } = options
  const { quotas = openQuotas(app, { log: options.log, providers }) } = options
  const sliceSize = (mailbox: MailboxId) => fetchingOf(mailbox, config, providers).batchSize
  const guardOf = createGuards(app, options.log)
  if (firstStage && stages.includes(firstStage))
    for (const { warnings } of providers.values()) for (const text of warnings?.(config) ?? []) options.log.warn(text)
  const witness = createWitness(config.CIRCUIT_BREAKER_FAILURE_THRESHOLD, now)
  const consumer = consumerName(config.RAILWAY_REPLICA_ID, machine)
  const alone = oneAtATime()
  const judging = new Set<Promise<void>>()
  const onInvalid = warnOfInvalid(options.log, { machine })
  const { sending } = options
  const running = (sending ? [...stages, senderOf(config)] : stages).map(stage => {
    const log = options.log.child({ stage: stage.name })
    const streams = stage.reads.map(({ name }) => name)
    const queue = createQueue({ redis, keys, stage: stage.name, streams, consumer, now })
    const backlog = { limit: config.BACKLOG_LIMIT, sliceSize, log }
    const roomy = stage === firstStage ? withTaskRoom(stage, app, log) : stage
    const paced = stage === firstStage ? withBackpressure(roomy, app, backlog) : stage
    const gated = stage.name === 'thread-group' ? withReleaseGate(paced, app, log) : paced
    return runStage(withMailboxGate(gated, app), {
      queue,
      blocking: app.openConnection(),
      commit: {
        redis,
        keys,
        consumer,
        longRunMs: config.MAX_SYNC_DURATION * 1000,
        tasksPerRun: config.AI_MAX_PER_RUN,
        messageSeconds: config.CACHE_MESSAGE_TTL,
        resultSeconds: config.RESULT_RETENTION,
        sliceSize,
        now,
        newRunId: app.newRunId,
      },
      paces: pacesOf(stage, config, providers),
      leaseMs: config.LEASE_MS,
      policy: {
        backoffFactor: config.RATE_LIMIT_BACKOFF_FACTOR,
        maxAttempts: config.MAX_ATTEMPTS,
        random: machine.random,
      },
      // A stage without provider calls cannot meet an outage of one.
      isOwnFault: stage.pace.calls ? witness.isOwnFault : () => true,
      runFor,
      isDead: isKnownDead,
      alone,
      onEvent: event => {
        logEvent(event, log)
        if (event.event === 'run-ended') judge(event, log)
        options.onEvent?.(event)
      },
      log,
      machine,
    })
  })

  return {
    async stop(drainMs) {
      await Promise.all(running.map(stage => stage.stop(drainMs)))
      // Do not wait for a Redis that does not answer: the keeper evaluates the remaining runs.
      await within(Promise.all(judging), JUDGE_WITHIN_MS, machine)
    },
  }

  // The keeper evaluates the run where this process cannot.
  function judge(event: RunEvent, log: Log): void {
    const judged = raiseAlerts({ ...app, providers }, runRecord(event.run, event), log).catch(() => undefined)
    judging.add(judged)
    void judged.then(() => judging.delete(judged))
  }

  function runFor(mailbox: MailboxId, call: StageContext['call']): StageContext {
    const texts = config.MESSAGE_BODY === 'text'
    const quota = quotas(mailbox)
    return {
      mailbox: recordFilterFindings(
        witness.watch(mailbox, guardOf(mailbox)(withPartCounts(options.mailboxes(mailbox)))),
        {
          app,
          mailbox,
          log: options.log,
        },
      ),
      call: quota ? { ...call, quota } : call,
      cache: createCache(redis, keys, { mailbox, ttlSeconds: config.CACHE_MESSAGE_TTL, texts, onInvalid }),
      ledger: createLedger(redis, keys, mailbox, now),
      task: taskOptions(config),
      dispatch: dispatchRules(config, now()),
      ...(sending ? { sending: sending.of(mailbox, call) } : {}),
      now,
    }
  }
}
