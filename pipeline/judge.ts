import { alertsOf } from '../shared/alerts.ts'
import { type MailboxId, providerOf } from '../shared/mailbox.ts'
import { forgetEnded, recordAlerts, unjudgedRuns } from '../shared/redis/alerts.ts'
import { type RunRecord, readRun } from '../shared/redis/runs.ts'
import type { Duty } from './keeper.ts'
import type { Log } from './log.ts'
import type { Office } from './wire.ts'

// Long enough for the process that ended a run to do it.
const LEFT_AFTER_MS = 10_000

/** Looks for alerts of a run that ended, puts them down, and logs warnings and errors; whoever does it second does nothing. */
export async function judgeRun({ redis, keys, config, now }: Office, record: RunRecord, log: Log): Promise<void> {
  const { run } = record
  const mailbox = record.mailbox as MailboxId
  const size = config.GMAIL_BATCH_SIZE
  const batchSize = providerOf(mailbox) === 'gmail' ? size : Math.min(size, config.OUTLOOK_BATCH_SIZE)
  const alerts = alertsOf(record, { batchSize })
  if (!(await recordAlerts(redis, keys, { run, mailbox, alerts, now: now() }))) return
  for (const { alert, level, text, figures } of alerts) {
    const facts = { run, mailbox, alert, ...figures }
    if (level === 'error') log.error(facts, text)
    else if (level === 'warning') log.warn(facts, text)
  }
}

/** Looks at runs that ended in a process that died before it could look at them. */
export function createJudging(office: Office, log: Log): Duty {
  const { redis, keys, now } = office
  return async isOurs => {
    for (const partition of keys.partitions) {
      if (!(await isOurs())) return
      for (const run of await unjudgedRuns(redis, keys, partition, now() - LEFT_AFTER_MS)) {
        const record = await readRun(redis, keys, partition, run)
        if (!record) await forgetEnded(redis, keys, partition, run)
        // One that was opened again is looked at when it ends.
        else if (record.endedAt !== undefined) await judgeRun(office, record, log)
      }
    }
  }
}
