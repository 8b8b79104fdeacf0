import type { Sink } from '../../shared/ai/sink.ts'
import type { Spending } from '../../shared/ai/spending.ts'
import type { Lane } from '../../shared/envelope.ts'
import { asMailError, MailError } from '../../shared/error.ts'
import type { Call, MailboxId } from '../../shared/mailbox.ts'
import { createSpending } from '../../shared/redis/spending.ts'
import type { Sending } from '../../shared/stage.ts'
import type { AppContext } from '../base/app.ts'
import type { Log } from '../base/log.ts'
import { type OpenSink, SINKS } from './sinks/list.ts'
import { createStreak } from './streak.ts'

/** The open sink of a process, with what all its calls share. */
export interface OpenSending {
  /** Returns the sink for tasks of one mailbox. */
  of(mailbox: MailboxId, call: Call): Sending
}

/** Whether the sink may be called, for all processes together. */
export interface SinkGate {
  /** Returns when a task may be sent (ms since 1970), and why not before; `undefined` where it may go now. */
  waits(of: { mailbox: MailboxId; lane: Lane }): Promise<{ untilMs: number; why: string } | undefined>
  pause(why: string, options?: { isOutage?: boolean }): Promise<void>
  succeeded(): Promise<void>
}

/**
 * Wraps a sink so that its faults concern it alone and not the tasks. A sink that needs a person pauses for all processes, and so does one that
 * failed for several tasks in a row; tasks then wait and lose no attempt. One of them tries again now and then.
 */
export function createSending(
  app: Pick<AppContext, 'now' | 'config'>,
  { sink, spending, gate, log }: { sink: Sink; spending: Spending; gate: SinkGate; log: Log },
): OpenSending {
  const { now, config } = app
  const streak = createStreak(config.CIRCUIT_BREAKER_FAILURE_THRESHOLD)

  return {
    of: (mailbox, { signal }) => ({
      async admit(lane) {
        const waits = await gate.waits({ mailbox, lane })
        if (waits) throw waiting(waits)
      },

      async send(task, { attempt, lane }) {
        try {
          const sent = await sink.send(task, { signal, attempt, lane, now, spending })
          streak.succeeded([task.task])
          await gate.succeeded()
          return sent
        } catch (thrown) {
          const error = asMailError(thrown)
          if (error.kind === 'misconfigured' || error.kind === 'unauthorized') return await pausedBy(error)
          // Where nothing succeeds in between, even one task says more about the sink than about itself.
          const isOutage = error.kind === 'unavailable' && streak.failed([task.task]) !== 'wait'
          if (isOutage) return await pausedBy(error, true)
          throw error
        }
      },
    }),
  }

  async function pausedBy(error: MailError, isOutage = false): Promise<never> {
    const text = isOutage
      ? 'the sink is unavailable; tasks wait'
      : 'the sink is paused until this is mended; tasks wait'
    log.error({ error: error.message }, text)
    await gate.pause(error.message, { isOutage })
    const waits = await gate.waits({ mailbox: 'gmail:', lane: 'live' })
    throw waiting(waits ?? { untilMs: now(), why: error.message })
  }

  function waiting({ untilMs, why }: { untilMs: number; why: string }): MailError {
    return new MailError('throttled', why, { retryAfterMs: Math.max(0, untilMs - now()), isOurs: true })
  }
}

/** Opens the configured sink; `undefined` where tasks go to the stream. Throws `misconfigured` for a sink that cannot be opened. */
export async function openSending(
  app: AppContext,
  log: Log,
  sinks: ReadonlyMap<string, OpenSink> = SINKS,
): Promise<OpenSending | undefined> {
  const open = sinks.get(app.config.AI_SINK)
  return open && createSending(app, { sink: await open(app), spending: openSpending(app), gate: localGate(app), log })
}

/** Opens the books of what models cost, with the configured limits. */
export function openSpending({ redis, keys, config }: Pick<AppContext, 'redis' | 'keys' | 'config'>): Spending {
  const limits = {
    dayMicroUsd: config.AI_BUDGET_USD_PER_DAY,
    mailboxMicroUsd: config.AI_BUDGET_USD_PER_MAILBOX_PER_DAY,
    requestsPerMinute: config.AI_REQUESTS_PER_MINUTE,
    tokensPerMinute: config.AI_TOKENS_PER_MINUTE,
  }
  return createSpending({ redis, keys, limits })
}

function localGate({ now }: Pick<AppContext, 'now'>): SinkGate {
  let until = 0
  let because = ''
  return {
    waits: async () => (now() < until ? { untilMs: until, why: because } : undefined),
    pause: async why => {
      until = now() + 60_000
      because = why
    },
    succeeded: async () => undefined,
  }
}
