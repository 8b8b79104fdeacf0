import { MailError } from '../../shared/error.ts'
import type { Call, Listed, MailboxId } from '../../shared/mailbox.ts'
import { createCache } from '../../shared/redis/cache.ts'
import { listMailboxes, type MailboxRecord } from '../../shared/redis/mailboxes.ts'
import { keepAtRest, warmMessages } from '../../shared/redis/warm.ts'
import { mostMessages } from '../../shared/task/task.ts'
import { countThreads } from '../../shared/windows/by-thread.ts'
import { warnOfInvalid } from '../accounts/invalid-cache.ts'
import type { Mailboxes } from '../accounts/providers.ts'
import { openQuotas, type Quotas, unitsAMinute } from '../accounts/quotas.ts'
import type { AppContext } from '../base/app.ts'
import type { Log } from '../base/log.ts'
import { isReachable } from '../base/mailbox-state.ts'
import type { Guard } from '../runtime/breaker.ts'
import { createMeter } from '../runtime/meter.ts'
import { type Allowance, createAllowance, withinAllowance } from './allowance.ts'
import type { Duty } from './keeper.ts'

interface WarmingOptions {
  mailboxes: Mailboxes
  guardOf: (mailbox: MailboxId) => Guard
  quotas?: Quotas
  roundMs: number
  log: Log
}

const MINUTE_MS = 60_000
const LOOKS_A_TTL = 3
const OF_A_ROUND = 0.5

/**
 * Keeps the mail of threads that keep changing in the cache, for a day after they last went out: prolongs what is held before its TTL is
 * over, which costs no provider call, and fetches what was lost while its mailbox is at rest and the units are within `WARM_SHARE` of the
 * mailbox's. What fails, or finds no turn at the provider, waits for the next round.
 */
export function createWarming(app: AppContext, options: WarmingOptions): Duty {
  const { redis, keys, config, now } = app
  const { mailboxes, guardOf, roundMs, log } = options
  const { quotas = openQuotas(app, { log }) } = options
  const onInvalid = warnOfInvalid(log)
  // More than a task can hold is not read when a thread goes out.
  const limit = mostMessages({ tokens: config.TASK_TOKENS })
  const everyMs = (config.CACHE_MESSAGE_TTL * 1000) / LOOKS_A_TTL
  const allowances = new Map<MailboxId, Allowance>()
  const dueAt = new Map<MailboxId, number>()
  let nextAt = 0

  return async isOurs => {
    if (now() < nextAt || !(await isOurs())) return
    const records = (await listMailboxes(redis, keys)).filter(isReachable)
    const due = ({ mailbox }: MailboxRecord) => dueAt.get(mailbox) ?? 0
    // The keeper has more to do in its round.
    const until = now() + roundMs * OF_A_ROUND
    const goOn = async () => now() < until && (await isOurs())
    for (const record of records.filter(one => due(one) <= now()).sort((a, b) => due(a) - due(b))) {
      if (!(await goOn())) return
      const isDone = await warm(record, goOn)
      dueAt.set(record.mailbox, now() + (isDone ? everyMs : 0))
    }
    nextAt = Math.min(now() + everyMs, ...records.map(due))
  }

  /** Whether all is warm now. */
  async function warm({ mailbox, activeRun, cursor }: MailboxRecord, goOn: () => Promise<boolean>): Promise<boolean> {
    const wanted = await warmMessages(redis, keys, mailbox, { now: now(), limit })
    const cache = createCache(redis, keys, { mailbox, ttlSeconds: config.CACHE_MESSAGE_TTL, onInvalid })
    const held = await cache.touch(wanted.map(({ id }) => id))
    const lost = wanted.filter(({ id }) => !held.has(id))
    if (lost.length === 0) return true
    // A run has all the quota, and knows better what is gone.
    if (activeRun !== undefined || cursor === undefined) return false
    const meter = createMeter()
    try {
      return await fetchLost(lost, { mailbox, cursor, meter: meter.count, goOn })
    } catch (error) {
      if (!(error instanceof MailError)) throw error
      log.debug({ mailbox, error: error.message }, 'mail of threads that keep changing is fetched another time')
      return false
    } finally {
      if (meter.units() > 0)
        log.debug({ mailbox, lost: lost.length, units: meter.units() }, 'fetched what was not warm')
    }
  }

  async function fetchLost(
    lost: readonly Listed[],
    {
      mailbox,
      cursor,
      meter,
      goOn,
    }: { mailbox: MailboxId; cursor: string; goOn: () => Promise<boolean> } & Pick<Call, 'meter'>,
  ): Promise<boolean> {
    const quota = quotas(mailbox)
    // Of a provider that counts no units a share is nothing.
    if (!quota) return true
    const source = guardOf(mailbox)(mailboxes(mailbox))
    const ofThread = countThreads(lost)
    let left = lost.map(one => ({ ...one, ofThread: ofThread(one.thread) }))
    while (left.length > 0) {
      if (!(await goOn())) return false
      const call = {
        signal: AbortSignal.timeout(MINUTE_MS),
        meter,
        quota: withinAllowance(quota, allowanceOf(mailbox)),
      }
      const answers = await source.fetch(left.slice(0, config.GMAIL_BATCH_SIZE), call)
      const outcomes = [...answers.values()]
      const messages = outcomes.flatMap(answer => (answer.outcome === 'ok' ? [answer.message] : []))
      const kept = await keepAtRest(redis, keys, { mailbox, cursor, ttlSeconds: config.CACHE_MESSAGE_TTL }, messages)
      if (!kept || outcomes.some(({ outcome }) => outcome === 'throttled')) return false
      left = left.slice(config.GMAIL_BATCH_SIZE).filter(({ id }) => !answers.has(id))
    }
    return true
  }

  // A keeper whose rounds are short saves up, for a minute at most.
  function allowanceOf(mailbox: MailboxId): Allowance {
    const units = config.WARM_SHARE * unitsAMinute(mailbox, config)
    const most = (units * Math.max(roundMs, MINUTE_MS)) / MINUTE_MS
    const allowance = allowances.get(mailbox) ?? createAllowance(units, most, now)
    allowances.set(mailbox, allowance)
    return allowance
  }
}
