import type { MailboxId } from '../../shared/mailbox.ts'
import { readMailbox } from '../../shared/redis/mailboxes.ts'
import { listRunsSince, type RunRecord } from '../../shared/redis/runs.ts'
import type { Rig } from './rig.ts'

const POLL_MS = 100
// Polling must cost Redis little compared with the measured work.
const POLL_PER_MAILBOX_MS = 5

/** Waits until each mailbox has a run since `since` (ms since 1970) and none is in flight; returns those runs. Calls `onPoll` with the runs of each poll. */
export async function untilSettled(
  { app, until }: Rig,
  mailboxes: readonly MailboxId[],
  { since, onPoll }: { since: number; onPoll?: (runs: readonly RunRecord[]) => void },
): Promise<RunRecord[]> {
  const { redis, keys } = app
  const wanted: ReadonlySet<string> = new Set(mailboxes)
  return until(
    async () => {
      const runs = (await listRunsSince(redis, keys, since)).filter(({ mailbox }) => wanted.has(mailbox))
      onPoll?.(runs)
      const begun = new Set(runs.map(({ mailbox }) => mailbox))
      if (begun.size < wanted.size || !runs.every(run => run.settled)) return undefined
      const records = await Promise.all(mailboxes.map(mailbox => readMailbox(redis, keys, mailbox)))
      return records.every(record => record?.activeRun === undefined && !record?.dirty) ? runs : undefined
    },
    Math.max(POLL_MS, mailboxes.length * POLL_PER_MAILBOX_MS),
  )
}
