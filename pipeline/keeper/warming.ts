import { MailError } from '../../shared/error.ts'
import type { Call, Listed, MailboxId } from '../../shared/mailbox.ts'
import { createCache } from '../../shared/redis/cache.ts'
import { listMailboxes, type MailboxRecord } from '../../shared/redis/mailboxes.ts'
import { keepAtRest, warmMessages } from '../../shared/redis/warm.ts'
import { mostMessages } from '../../shared/task/task.ts'
import { countThreads } from '../../shared/windows/by-thread.ts'
import { warnOfInvalid } from '../accounts/invalid-cache.ts'
import type { Mailboxes } from '../accounts/mailboxes.ts'
import { fetchingOf } from '../accounts/providers.ts'
import { openQuotas, type Quotas, unitsAMinute } from '../accounts/quotas.ts'
import type { AppContext } from '../base/app.ts'
import type { Log } from '../base/log.ts'
import { isReachable } from '../base/mailbox-state.ts'
import { taskOptions } from '../base/task-settings.ts'
import { MINUTE_MS } from '../base/times.ts'
import { limited } from '../base/wait.ts'
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

const CHECKS_PER_TTL = 3
const ROUND_SHARE = 0.5

/**
 * Keeps the mail of active threads cached for a day after they were last emitted. Extends the TTL of cached messages, which costs no provider
 * call. Refetches evicted messages while the mailbox is idle, within `WARM_SHARE` of its quota. Failed or rate-limited fetches are retried
 * in the next round.
 */
export function createWarming(app: AppContext, options: WarmingOptions): Duty {
  const { redis, keys, config, now } = app
  const { machine } = app.surroundings
  const { mailboxes, guardOf, roundMs, log } = options
  const { quotas = openQuotas(app, { log }) } = options
  const onInvalid = warnOfInvalid(log, { machine })
  // A task never needs more messages than fit in it.
  const limit = mostMessages(taskOptions(config))
  const everyMs = (config.CACHE_MESSAGE_TTL * 1000) / CHECKS_PER_TTL
  const allowances = new Map<MailboxId, Allowance>()
  const dueAt = new Map<MailboxId, number>()
  let nextAt = 0

  return async isOurs => {
    if (now() < nextAt || !(await isOurs())) return
    const records = (await listMailboxes(redis, keys)).filter(isReachable)
    const due = ({ mailbox }: MailboxRecord) => dueAt.get(mailbox) ?? 0
    // Leaves time for the keeper's other duties.
    const until = now() + roundMs * ROUND_SHARE
    const goOn = async () => now() < until && (await isOurs())
    for (const record of records.filter(one => due(one) <= now()).sort((a, b) => due(a) - due(b))) {
      if (!(await goOn())) return
      const isDone = await warm(record, goOn)
      dueAt.set(record.mailbox, now() + (isDone ? everyMs : 0))
    }
    nextAt = Math.min(now() + everyMs, ...records.map(due))
  }

  /** Returns whether all wanted messages are cached. */
  async function warm({ mailbox, activeRun, cursor }: MailboxRecord, goOn: () => Promise<boolean>): Promise<boolean> {
    const texts = config.MESSAGE_BODY === 'text'
    const wanted = await warmMessages(redis, keys, mailbox, { now: now(), limit })
    const cache = createCache(redis, keys, { mailbox, ttlSeconds: config.CACHE_MESSAGE_TTL, texts, onInvalid })
    const cached = await cache.touch(wanted.map(({ id }) => id))
    const lost = wanted.filter(({ id }) => !cached.has(id))
    if (lost.length === 0) return true
    // An active run needs the quota, and may be removing these messages.
    if (activeRun !== undefined || cursor === undefined) return false
    const meter = createMeter()
    try {
      return await fetchLost(lost, { mailbox, cursor, meter: meter.count, goOn })
    } catch (error) {
      if (!(error instanceof MailError)) throw error
      log.debug({ mailbox, error: error.message }, 'could not refetch evicted mail; retrying next round')
      return false
    } finally {
      if (meter.units() > 0) log.debug({ mailbox, lost: lost.length, units: meter.units() }, 'refetched evicted mail')
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
    // A provider without quota units has no share to spend.
    if (!quota) return true
    const source = guardOf(mailbox)(mailboxes(mailbox))
    const ofThread = countThreads(lost)
    const { batchSize } = fetchingOf(mailbox, config)
    let left = lost.map(one => ({ ...one, ofThread: ofThread(one.thread) }))
    while (left.length > 0) {
      if (!(await goOn())) return false
      const spending = { meter, quota: withinAllowance(quota, allowanceOf(mailbox)) }
      const some = left.slice(0, batchSize)
      const answers = await limited(MINUTE_MS, machine, signal => source.fetch(some, { signal, ...spending }))
      const outcomes = [...answers.values()]
      const messages = outcomes.flatMap(answer => (answer.outcome === 'ok' ? [answer.message] : []))
      const kept = await keepAtRest(redis, keys, { mailbox, cursor, ttlSeconds: config.CACHE_MESSAGE_TTL }, messages)
      if (!kept || outcomes.some(({ outcome }) => outcome === 'throttled')) return false
      left = left.slice(batchSize).filter(({ id }) => !answers.has(id))
    }
    return true
  }

  // With short rounds, unspent units accumulate for a minute at most.
  function allowanceOf(mailbox: MailboxId): Allowance {
    const units = config.WARM_SHARE * unitsAMinute(mailbox, config)
    const most = (units * Math.max(roundMs, MINUTE_MS)) / MINUTE_MS
    const allowance = allowances.get(mailbox) ?? createAllowance(units, most, now)
    allowances.set(mailbox, allowance)
    return allowance
  }
}
