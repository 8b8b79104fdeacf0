import type { Redis } from 'ioredis'
import { alertsOf } from '../../shared/alerts.ts'
import type { Config } from '../../shared/config.ts'
import type { MailboxId } from '../../shared/mailbox.ts'
import { recordAlerts } from '../../shared/redis/alerts.ts'
import type { Keys } from '../../shared/redis/keys.ts'
import type { RunRecord } from '../../shared/redis/runs.ts'
import { fetchingOf, type Providers } from '../accounts/providers.ts'
import type { Log } from '../base/log.ts'

interface AlertOptions {
  redis: Redis
  keys: Keys
  config: Config
  now: () => number
  providers?: Providers
}

/** Records the alerts of an ended run and logs warnings and errors; a second call for the run does nothing. */
export async function raiseAlerts(
  { redis, keys, config, now, providers }: AlertOptions,
  record: RunRecord,
  log: Log,
): Promise<void> {
  const { run } = record
  const mailbox = record.mailbox as MailboxId
  const { batchSize } = fetchingOf(mailbox, config, providers)
  const alerts = alertsOf(record, { batchSize })
  if (!(await recordAlerts(redis, keys, { run, mailbox, alerts, now: now() }))) return
  for (const { alert, level, text, figures } of alerts) {
    const facts = { run, mailbox, alert, ...figures }
    if (level === 'error') log.error(facts, text)
    else if (level === 'warning') log.warn(facts, text)
  }
}
