import type { MailboxId } from '../../shared/mailbox.ts'
import type { Log } from '../base/log.ts'

const COMPLAIN_EVERY_MS = 60_000

/** What a stage at work says in its log. */
export interface StageLog {
  /** Redis failed or refused; said once a minute at most. */
  ofRedis(error: unknown, entries: number): void
  /** A batch that was committed was no longer ours, in part or whole. */
  ofTakeover(acked: readonly boolean[]): void
  /** A handler is at work for long; its lease is renewed all the while, so nobody else would say so. */
  ofLateness(mailbox: MailboxId, items: number, ms: number): void
}

/** Says it in plain words; never mail, never secrets. */
export function stageLog(log: Log, now: () => number): StageLog {
  let complainAt = 0
  return {
    ofRedis(error, entries) {
      if (now() < complainAt) return
      complainAt = now() + COMPLAIN_EVERY_MS
      log.error({ error: String(error), entries }, 'Redis does not do what is asked of it; trying again')
    },
    ofTakeover(acked) {
      const entries = acked.filter(ours => !ours).length
      if (entries === 0) return
      log.warn({ entries, of: acked.length }, 'another consumer had taken over: its result counts, ours is dropped')
    },
    ofLateness(mailbox, items, ms) {
      const seconds = Math.round(ms / 1000)
      log.warn({ mailbox, items, seconds }, 'still at work on a batch: should it never end, restart this process')
    },
  }
}
