import type { Sink } from '../../shared/ai/sink.ts'
import type { Spending } from '../../shared/ai/spending.ts'
import { asMailError, MailError } from '../../shared/error.ts'
import type { Call, MailboxId } from '../../shared/mailbox.ts'
import { readBacklog } from '../../shared/redis/backlog.ts'
import { createSpending } from '../../shared/redis/spending.ts'
import type { Sending } from '../../shared/stage.ts'
import { aiSend } from '../../stages/ai-send.ts'
import type { AppContext } from '../base/app.ts'
import type { Log } from '../base/log.ts'
import { sleep } from '../base/wait.ts'
import { openSinkGate, type SinkGate } from './sink-gate.ts'
import { type OpenSink, SINKS } from './sinks/list.ts'
import { createStreak } from './streak.ts'

/** The open sink of a process, with what all its calls share. */
export interface OpenSending {
  /** Returns the sink for tasks of one mailbox. */
  of(mailbox: MailboxId, call: Call): Sending
}

// A task that waits for the sink keeps its slot so long. Others then wait unread, which costs nothing.
const HOLD_MS = 60_000
const ASK_EVERY_MS = 5000
const LOG_EVERY_MS = 60_000

/**
 * Wraps a sink so that its faults concern it alone and not the tasks. A sink that needs a person pauses for all processes, and so does one that
 * failed for several tasks in a row; tasks then wait and lose no attempt. One of them tries again now and then.
 */
export function createSending(
  app: Pick<AppContext, 'now' | 'config' | 'surroundings'>,
  { sink, spending, gate, log }: { sink: Sink; spending: Spending; gate: SinkGate; log: Log },
): OpenSending {
  const { now, config, surroundings } = app
  const { state, approvals } = gate
  const streak = createStreak(config.CIRCUIT_BREAKER_FAILURE_THRESHOLD)
  let isOut = false
  let logged = { text: '', at: 0 }

  return {
    of: (mailbox, { signal }) => ({
      async admit(lane) {
        await untilTaken(signal)
        const waits = await approvals.waits({ mailbox, lane })
        if (waits) throw waiting(waits)
      },

      async send(task, { attempt, lane }) {
        const watched = patient(signal)
        try {
          const sent = await sink.send(task, { signal, attempt, lane, now, spending: watched })
          streak.succeeded([task.task])
          isOut = false
          await state.succeeded()
          return sent
        } catch (thrown) {
          const error = asMailError(thrown)
          if (signal.aborted) throw error
          if (error.kind === 'misconfigured' || error.kind === 'unauthorized') return await pausedBy(error)
          // Where nothing succeeds in between, even one task says more about the sink than about itself.
          if (error.kind === 'unavailable') isOut = isOut || streak.failed([task.task]) !== 'wait'
          const isDown = error.kind === 'throttled' && !error.isRateLimit && !watched.isRefused()
          if (isDown || (isOut && error.kind === 'unavailable')) return await pausedBy(error, true)
          throw error
        }
      },
    }),
  }

  async function pausedBy(error: MailError, isOutage = false): Promise<never> {
    const text = isOutage
      ? 'the sink is unavailable; tasks wait'
      : 'the sink is paused until this is mended; tasks wait'
    // Each call in work meets the same fault.
    if (logged.text !== error.message || now() - logged.at > LOG_EVERY_MS) log.error({ error: error.message }, text)
    logged = { text: error.message, at: now() }
    await state.pause(error.message, { isOutage })
    throw waiting({ untilMs: now(), why: error.message })
  }

  // A pause concerns every task alike, so a held slot delays nothing that could go.
  async function untilTaken(signal: AbortSignal): Promise<void> {
    const lastAt = now() + HOLD_MS
    for (let paused = await state.waits(); paused; paused = await state.waits()) {
      if (signal.aborted || now() >= lastAt) throw waiting({ untilMs: now(), why: paused.why })
      await sleep(Math.max(0, Math.min(ASK_EVERY_MS, paused.untilMs - now())), signal, surroundings.machine)
    }
  }

  // Limits of a minute concern every task alike. Who waits for them in its slot returns in time, and keeps its place in line.
  function patient(signal: AbortSignal): Spending & { isRefused(): boolean } {
    let isRefused = false
    return {
      isRefused: () => isRefused,
      async reserve(of) {
        const lastAt = now() + HOLD_MS
        for (;;) {
          const answer = await spending.reserve(of)
          if (answer.outcome === 'go') return answer
          if (answer.why === 'mailbox-budget' || answer.untilMs > lastAt || signal.aborted) {
            isRefused = true
            return answer
          }
          await sleep(Math.max(0, answer.untilMs - now()), signal, surroundings.machine)
        }
      },
    }
  }

  function waiting({ untilMs, why }: { untilMs: number; why: string }): MailError {
    return new MailError('throttled', why, { retryAfterMs: Math.max(0, untilMs - now()), isOurs: true })
  }
}

/** Says what becomes of tasks that wait for a sink where none is set. */
export const STRANDED = 'tasks wait for a sink, and AI_SINK is stream: they go once it names a sink again'

/** Returns how many tasks wait for the sink, those in work included. */
export async function unsent({ redis, keys }: Pick<AppContext, 'redis' | 'keys'>): Promise<number> {
  const rows = await readBacklog(redis, keys, [aiSend])
  return rows.reduce((sum, { waiting, inWork, delayed }) => sum + (waiting ?? 0) + inWork + delayed, 0)
}

/** Opens the configured sink; `undefined` where tasks go to the stream. Throws `misconfigured` for a sink that cannot be opened. */
export async function openSending(
  app: AppContext,
  log: Log,
  sinks: ReadonlyMap<string, OpenSink> = SINKS,
): Promise<OpenSending | undefined> {
  const open = sinks.get(app.config.AI_SINK)
  if (!open) {
    const left = await unsent(app)
    if (left > 0) log.warn({ tasks: left }, STRANDED)
    return undefined
  }
  return createSending(app, { sink: await open(app), spending: openSpending(app), gate: openSinkGate(app), log })
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
