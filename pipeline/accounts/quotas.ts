import type { Redis } from 'ioredis'
import type { Config } from '../../shared/config.ts'
import { QUOTA_COSTS, UNITS_A_MINUTE } from '../../shared/gmail/quota.ts'
import { type MailboxId, type Provider, providerOf } from '../../shared/mailbox.ts'
import type { Quota } from '../../shared/provider/quota.ts'
import type { Keys } from '../../shared/redis/keys.ts'
import { createQuota, type Narrowing, type QuotaLimits } from '../../shared/redis/quota.ts'
import type { RunRecord } from '../../shared/redis/runs.ts'
import type { Log } from '../base/log.ts'
import { providersSet } from './account-settings.ts'

/** The quota of a mailbox, the same object each time; `undefined` where nobody counts. */
export type Quotas = (mailbox: MailboxId) => Quota | undefined

const NO_LIMIT = 100_000_000
const MINUTE_MS = 60_000
// For an app and a mailbox: learn.microsoft.com/graph/throttling-limits#outlook-service-limits.
const OUTLOOK = { units: 10_000, minutes: 10, requests: 4, fewestRequests: 2 }
// The lowest limit that users report; Google publishes none.
const GMAIL_FEWEST_REQUESTS = 10
// Longer than Graph is waited for: what has more than 4 requests under way is refused, be they ever so slow.
const OUTLOOK_ANSWER_MS = 31_000

/**
 * The quotas of this process's mailboxes, shared with all other processes on the same Redis. The log is told where a provider allows fewer
 * requests at a time than are set; `windowMs` stands for the provider's minute.
 */
export function openQuotas(
  { redis, keys, config }: { redis: Redis; keys: Keys; config: Config },
  { log, windowMs = MINUTE_MS }: { log?: Pick<Log, 'warn'>; windowMs?: number } = {},
): Quotas {
  const onNarrowed = (narrowing: Narrowing) => log?.warn({ ...narrowing }, narrowingLine(narrowing))
  const limits: Record<Provider, QuotaLimits> = {
    gmail: { ...limitsOf(config), windowMs },
    outlook: {
      mailboxUnits: OUTLOOK.units,
      requests: requestsSet('outlook', config),
      fewestRequests: OUTLOOK.fewestRequests,
      windowMs: OUTLOOK.minutes * windowMs,
      answerMs: OUTLOOK_ANSWER_MS,
    },
  }
  const backoffFactor = config.RATE_LIMIT_BACKOFF_FACTOR
  const open = new Map<MailboxId, Quota>()
  return mailbox => {
    const quota =
      open.get(mailbox) ??
      createQuota({ redis, keys, mailbox, limits: limits[providerOf(mailbox)], backoffFactor, onNarrowed })
    open.set(mailbox, quota)
    return quota
  }
}

/** How many units a minute the settings, or else its provider, let be spent on a mailbox. */
export function unitsAMinute(mailbox: MailboxId, config: Config): number {
  return providerOf(mailbox) === 'gmail' ? limitsOf(config).mailboxUnits : OUTLOOK.units / OUTLOOK.minutes
}

/** What the settings let mailsluice spend at Gmail; on simulated mail everything, unless they say how much. */
function limitsOf(config: Config): QuotaLimits {
  const isSimulated = config.SIM_URL !== undefined || providersSet(config).length === 0
  const units = config.GMAIL_USER_UNITS ?? (isSimulated ? NO_LIMIT : UNITS_A_MINUTE[config.GMAIL_QUOTA])
  return {
    mailboxUnits: Math.floor(units * config.GMAIL_QUOTA_SHARE),
    projectUnits: config.GMAIL_PROJECT_UNITS,
    requests: requestsSet('gmail', config),
    fewestRequests: GMAIL_FEWEST_REQUESTS,
  }
}

/** How many requests of a mailbox may be under way, as long as its provider does not refuse so many. */
export function requestsSet(provider: Provider, config: Config): number {
  return provider === 'gmail' ? config.GMAIL_BATCH_SIZE * config.GMAIL_MAX_CONCURRENT_BATCHES : OUTLOOK.requests
}

function narrowingLine({ mailbox, requests, set }: Narrowing): string {
  const [who, source] =
    providerOf(mailbox) === 'gmail'
      ? ['Google', 'of GMAIL_BATCH_SIZE × GMAIL_MAX_CONCURRENT_BATCHES']
      : ['Microsoft', 'that it documents']
  const refusal = `${who} refused requests because too many were in flight`
  const instead = `at most ${requests} are sent at a time now, not the ${set} ${source}; larger batches are split`
  return `${mailbox}: ${refusal}; ${instead}. The set number returns after a day without such a refusal`
}

/** How many units a run saved: what its messages would have cost one by one, less what they did cost. */
export function unitsSaved(
  { mailbox, calls, fates, context, units }: RunRecord,
  config: Pick<Config, 'GMAIL_QUOTA'>,
): number {
  if (providerOf(mailbox as MailboxId) !== 'gmail') return 0
  const { messageGet, messageList, historyList, profile } = QUOTA_COSTS[config.GMAIL_QUOTA]
  const listing = calls.list * messageList + calls.history * historyList + calls.profile * profile
  return (fates.fetched + fates.gone + context) * messageGet + listing - units
}
