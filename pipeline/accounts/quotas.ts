import type { Redis } from 'ioredis'
import type { Config } from '../../shared/config.ts'
import { type MailboxId, providerOf } from '../../shared/mailbox.ts'
import type { Quota } from '../../shared/provider/quota.ts'
import type { Keys } from '../../shared/redis/keys.ts'
import { createQuota, type Narrowing, type QuotaLimits } from '../../shared/redis/quota.ts'
import type { RunRecord } from '../../shared/redis/runs.ts'
import type { Log } from '../base/log.ts'
import type { Surroundings } from '../base/surroundings.ts'
import { configuredProviders, PROVIDERS, type Providers } from './providers.ts'

/** Returns the quota of a mailbox, the same object each time; `undefined` for a provider that is not registered. */
export type Quotas = (mailbox: MailboxId) => Quota | undefined

const MINUTE_MS = 60_000

/**
 * Opens the quotas of this process's mailboxes, which all processes on the same Redis share. The log says where a provider allows fewer
 * requests at a time than are set; `windowMs` stands for the provider's minute.
 */
export function openQuotas(
  { redis, keys, config, surroundings }: { redis: Redis; keys: Keys; config: Config; surroundings?: Surroundings },
  {
    log,
    windowMs = MINUTE_MS,
    providers = PROVIDERS,
  }: { log?: Pick<Log, 'warn'>; windowMs?: number; providers?: Providers } = {},
): Quotas {
  const onNarrowed = (narrowing: Narrowing) => log?.warn({ ...narrowing }, narrowingLine(narrowing, providers))
  const backoffFactor = config.RATE_LIMIT_BACKOFF_FACTOR
  const made = surroundings ? { uuid: surroundings.machine.uuid } : {}
  const open = new Map<MailboxId, Quota>()
  return mailbox => {
    const known = open.get(mailbox)
    const limits = known ? undefined : limitsOf(mailbox, config, { providers, minuteMs: windowMs })
    if (!limits) return known
    const quota = createQuota({ redis, keys, mailbox, limits, backoffFactor, onNarrowed, ...made })
    open.set(mailbox, quota)
    return quota
  }
}

/** Returns how many units a minute the settings, or else the provider, let be spent on a mailbox; 0 for a provider that is not registered. */
export function unitsAMinute(mailbox: MailboxId, config: Config, providers: Providers = PROVIDERS): number {
  const limits = limitsOf(mailbox, config, { providers })
  return limits ? (limits.mailboxUnits * MINUTE_MS) / (limits.windowMs ?? MINUTE_MS) : 0
}

/** Returns how many requests of a mailbox may be in flight, until its provider refuses so many; 0 for a provider that is not registered. */
export function requestsSet(mailbox: MailboxId, config: Config, providers: Providers = PROVIDERS): number {
  return limitsOf(mailbox, config, { providers })?.requests ?? 0
}

/** Returns how many units a run saved: the price of its messages one by one, less what they did cost; 0 where the provider cannot say. */
export function unitsSaved(
  run: RunRecord,
  config: Pick<Config, 'GMAIL_QUOTA'>,
  providers: Providers = PROVIDERS,
): number {
  return providers.get(providerOf(run.mailbox as MailboxId))?.unitsSaved?.(run, config) ?? 0
}

function limitsOf(
  mailbox: MailboxId,
  config: Config,
  { providers, minuteMs = MINUTE_MS }: { providers: Providers; minuteMs?: number },
): QuotaLimits | undefined {
  const isSimulated = config.SIM_URL !== undefined || configuredProviders(config, providers).length === 0
  return providers.get(providerOf(mailbox))?.limits(config, { isSimulated, minuteMs })
}

function narrowingLine({ mailbox, requests, set }: Narrowing, providers: Providers): string {
  const { company = 'its provider', requestsSource = 'that are set' } = providers.get(providerOf(mailbox)) ?? {}
  const refusal = `${company} refused requests because too many were in flight`
  const instead = `at most ${requests} are sent at a time now, not the ${set} ${requestsSource}; larger batches are split`
  return `${mailbox}: ${refusal}; ${instead}. The set number returns after a day without such a refusal`
}
