import type { MailboxId } from '../../shared/mailbox.ts'
import { readMailbox } from '../../shared/redis/mailboxes.ts'
import { listRunsSince, type RunRecord } from '../../shared/redis/runs.ts'
import type { Rig } from './rig.ts'

const LOOK_EVERY_MS = 100
// So that looking costs Redis little beside what is measured.
const PAUSE_A_MAILBOX_MS = 5

/** Waits until each mailbox has a run since then (ms since 1970) and none is under way; answers those runs. `onLook` sees them on the way. */
export async function untilSettled(
  { app, until }: Rig,
  mailboxes: readonly MailboxId[],
  { since, onLook }: { since: number; onLook?: (runs: readonly RunRecord[]) => void },
): Promise<RunRecord[]> {
  const { redis, keys } = app
  const wanted: ReadonlySet<string> = new Set(mailboxes)
  return until(
    async () => {
      const runs = (await listRunsSince(redis, keys, since)).filter(({ mailbox }) => wanted.has(mailbox))
      onLook?.(runs)
      const begun = new Set(runs.map(({ mailbox }) => mailbox))
      if (begun.size < wanted.size || !runs.every(run => run.settled)) return undefined
      const records = await Promise.all(mailboxes.map(mailbox => readMailbox(redis, keys, mailbox)))
      return records.every(record => record?.activeRun === undefined && !record?.dirty) ? runs : undefined
    },
    Math.max(LOOK_EVERY_MS, mailboxes.length * PAUSE_A_MAILBOX_MS),
  )
}
