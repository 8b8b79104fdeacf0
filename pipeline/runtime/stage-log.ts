import type { MailboxId } from '../../shared/mailbox.ts'
import type { Log } from '../base/log.ts'
import { MINUTE_MS } from '../base/times.ts'

const LOG_EVERY_MS = MINUTE_MS

/** The log lines of a running stage. */
export interface StageLog {
  /** Logs an error of Redis, at most once a minute. */
  redisFailed(error: unknown, entries: number): void
  /** Logs that another consumer had taken over entries of a committed batch. */
  takenOver(acked: readonly boolean[]): void
  /** Logs a slow handler; its lease is renewed meanwhile, so no other process notices it. */
  slowBatch(mailbox: MailboxId, items: number, ms: number): void
}

/** Creates the log of a stage; lines contain neither mail nor secrets. */
export function stageLog(log: Log, now: () => number): StageLog {
  let logAt = 0
  return {
    redisFailed(error, entries) {
      if (now() < logAt) return
      logAt = now() + LOG_EVERY_MS
      log.error({ error: String(error), entries }, 'Redis command failed; retrying')
    },
    takenOver(acked) {
      const entries = acked.filter(ours => !ours).length
      if (entries === 0) return
      log.warn({ entries, of: acked.length }, 'another consumer had taken over entries; dropped our result')
    },
    slowBatch(mailbox, items, ms) {
      const seconds = Math.round(ms / 1000)
      log.warn({ mailbox, items, seconds }, 'batch is still running; if it never ends, restart this process')
    },
  }
}
