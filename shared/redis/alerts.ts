import type { Redis } from 'ioredis'
import type { Alert } from '../alerts.ts'
import type { MailboxId } from '../mailbox.ts'
import type { Keys, Partition } from './keys.ts'
import { EVENT } from './schema.ts'
import { alertScript } from './scripts.ts'

const AT_ONCE = 100

/** Stores the alerts of an ended run, with a mailbox event for each warning and error; returns false when that was done before. */
export async function recordAlerts(
  redis: Redis,
  keys: Keys,
  { run, mailbox, alerts, now }: { run: string; mailbox: MailboxId; alerts: readonly Alert[]; now: number },
): Promise<boolean> {
  const partition = keys.partitionOf(mailbox)
  const touched = [keys.run(partition, run), keys.endedRuns(partition), keys.mailboxEvents(partition)]
  const problems = alerts.filter(({ level }) => level !== 'mark')
  const events = problems.map(({ alert, level, text, figures }) => {
    const numbers = Object.entries(figures).flatMap(([name, figure]) => [name, `${figure}`])
    return JSON.stringify([
      ...[EVENT.event, 'alert', EVENT.mailbox, mailbox, EVENT.at, `${now}`, EVENT.run, run],
      ...[EVENT.alert, alert, EVENT.level, level, EVENT.text, text],
      ...numbers,
    ])
  })
  return (await alertScript(redis, touched, [run, JSON.stringify(alerts), ...events])) === 1
}

/** Returns at most a hundred runs of a partition that ended before then (ms since 1970) and have not been checked for alerts. */
export async function unjudgedRuns(redis: Redis, keys: Keys, partition: Partition, before: number): Promise<string[]> {
  return redis.zrangebyscore(keys.endedRuns(partition), '-inf', before, 'LIMIT', 0, AT_ONCE)
}

/** Removes a run from the index of ended runs, where the run itself is forgotten. */
export async function forgetEnded(redis: Redis, keys: Keys, partition: Partition, run: string): Promise<void> {
  await redis.zrem(keys.endedRuns(partition), run)
}
