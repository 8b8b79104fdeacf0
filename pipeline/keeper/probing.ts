import { asMailError, type MailError } from '../../shared/error.ts'
import type { MailboxId } from '../../shared/mailbox.ts'
import { listMailboxes, type MailboxRecord, noteProbe, resumeMailbox } from '../../shared/redis/mailboxes.ts'
import type { Mailboxes } from '../accounts/mailboxes.ts'
import { announceChange } from '../base/announce-change.ts'
import type { AppContext } from '../base/app.ts'
import { jitter } from '../base/jitter.ts'
import type { Log } from '../base/log.ts'
import { MINUTE_MS } from '../base/times.ts'
import { limited, sleepUnref } from '../base/wait.ts'
import type { Duty } from './keeper.ts'

interface ProbingOptions {
  mailboxes: Mailboxes
  /** The interval between probes of one mailbox, in ms. */
  everyMs: number
  roundMs: number
  log: Log
}

const SECOND_MS = 1000
// Slightly over a second, because timers and calls are not exact.
const BETWEEN_MS = 1050
const ANSWER_WITHIN_MS = 10 * SECOND_MS
// A mailbox that was parked since the last list is noticed within this time.
const LIST_AGAIN_MS = 10 * MINUTE_MS
const ROUND_SHARE = 0.5
const SOONER_BY = 0.1

/**
 * Probes parked mailboxes: one call each every `everyMs`, and one a second in all. Resumes a mailbox that the provider serves again, and
 * stores the newest reason for the others. Skips paused mailboxes.
 */
export function createProbing(app: AppContext, { mailboxes, everyMs, roundMs, log }: ProbingOptions): Duty {
  const { redis, keys, now } = app
  const { machine } = app.surroundings
  let nextAt = 0
  let calledAt = machine.elapsed() - BETWEEN_MS

  return async isOurs => {
    if (now() < nextAt || !(await isOurs())) return
    const parked = (await listMailboxes(redis, keys)).filter(one => one.needsReauth !== undefined)
    const active = parked.filter(({ pausedAt }) => pausedAt === undefined)
    const due = active.filter(one => dueAt(one) <= now()).sort((a, b) => dueAt(a) - dueAt(b))
    // Leaves time for the keeper's other duties.
    const until = machine.elapsed() + roundMs * ROUND_SHARE
    for (const [place, { mailbox }] of due.entries()) {
      if (place > 0 && machine.elapsed() + BETWEEN_MS > until) return
      await sleepUnref(Math.max(0, calledAt + BETWEEN_MS - machine.elapsed()), undefined, machine)
      if (!(await isOurs())) return
      calledAt = machine.elapsed()
      await probe(mailbox)
    }
    const later = active.filter(one => !due.includes(one)).map(dueAt)
    nextAt = Math.min(now() + Math.min(LIST_AGAIN_MS, everyMs), ...later)
  }

  function dueAt({ mailbox, parkedAt = 0, probedAt = 0 }: MailboxRecord): number {
    return Math.max(parkedAt, probedAt) + everyMs * (1 - SOONER_BY * jitter(mailbox))
  }

  async function probe(mailbox: MailboxId): Promise<void> {
    const error = await call(mailbox)
    const at = now()
    if (error) {
      const isReason = error.kind === 'unauthorized' || error.kind === 'misconfigured'
      await noteProbe(redis, keys, mailbox, { now: at, reason: isReason ? error.message : '' })
      log.debug({ mailbox, error: error.message }, 'mailbox is still parked')
      return
    }
    const entries = await resumeMailbox(redis, keys, mailbox, { now: at })
    // Changes that arrived while the mailbox was parked were not listed.
    await announceChange(app, mailbox, { id: `probe:${mailbox}:${at}`, at, cause: 'poll' })
    log.info({ mailbox, entries }, 'mailbox works again; resumed its work')
  }

  async function call(mailbox: MailboxId): Promise<MailError | undefined> {
    try {
      await limited(ANSWER_WITHIN_MS, machine, signal => mailboxes(mailbox).probe({ signal, meter: () => undefined }))
      return undefined
    } catch (thrown) {
      return asMailError(thrown)
    }
  }
}
