import { setTimeout as timeout } from 'node:timers/promises'
import { asMailError, type MailError } from '../../shared/error.ts'
import type { MailboxId } from '../../shared/mailbox.ts'
import { listMailboxes, type MailboxRecord, noteProbe, resumeMailbox } from '../../shared/redis/mailboxes.ts'
import type { Mailboxes } from '../accounts/providers.ts'
import { announceChange } from '../base/announce-change.ts'
import type { AppContext } from '../base/app.ts'
import { jitter } from '../base/jitter.ts'
import type { Log } from '../base/log.ts'
import type { Duty } from './keeper.ts'

interface ProbingOptions {
  mailboxes: Mailboxes
  /** How often a mailbox is asked for. */
  everyMs: number
  roundMs: number
  log: Log
}

const SECOND_MS = 1000
// A little more than the second, for timers and calls are never exact.
const BETWEEN_MS = 1050
const ANSWER_WITHIN_MS = 10 * SECOND_MS
// So long a mailbox that was parked meanwhile may go unnoticed.
const LOOK_AFTER_MS = 10 * 60 * SECOND_MS
const OF_A_ROUND = 0.5
const SOONER_BY = 0.1

/**
 * Looks at mailboxes again that wait for their account: with one call each, once every `everyMs`, one a second in all. One that is served
 * again goes on by itself; of the others the newest reason is kept. A paused mailbox is left alone.
 */
export function createProbing(app: AppContext, { mailboxes, everyMs, roundMs, log }: ProbingOptions): Duty {
  const { redis, keys, now } = app
  let nextAt = 0
  let askedAt = performance.now() - BETWEEN_MS

  return async isOurs => {
    if (now() < nextAt || !(await isOurs())) return
    const parked = (await listMailboxes(redis, keys)).filter(one => one.needsReauth !== undefined)
    const asked = parked.filter(({ pausedAt }) => pausedAt === undefined)
    const due = asked.filter(one => dueAt(one) <= now()).sort((a, b) => dueAt(a) - dueAt(b))
    // The keeper has more to do in its round.
    const until = performance.now() + roundMs * OF_A_ROUND
    for (const [place, { mailbox }] of due.entries()) {
      if (place > 0 && performance.now() + BETWEEN_MS > until) return
      await timeout(Math.max(0, askedAt + BETWEEN_MS - performance.now()), undefined, { ref: false })
      if (!(await isOurs())) return
      askedAt = performance.now()
      await probe(mailbox)
    }
    const later = asked.filter(one => !due.includes(one)).map(dueAt)
    nextAt = Math.min(now() + Math.min(LOOK_AFTER_MS, everyMs), ...later)
  }

  function dueAt({ mailbox, parkedAt = 0, probedAt = 0 }: MailboxRecord): number {
    return Math.max(parkedAt, probedAt) + everyMs * (1 - SOONER_BY * jitter(mailbox))
  }

  async function probe(mailbox: MailboxId): Promise<void> {
    const error = await ask(mailbox)
    const at = now()
    if (error) {
      const isReason = error.kind === 'unauthorized' || error.kind === 'misconfigured'
      await noteProbe(redis, keys, mailbox, { now: at, reason: isReason ? error.message : '' })
      log.debug({ mailbox, error: error.message }, 'the mailbox still waits for its account')
      return
    }
    const entries = await resumeMailbox(redis, keys, mailbox, { now: at })
    // Nobody looked for what came meanwhile.
    await announceChange(app, mailbox, { id: `probe:${mailbox}:${at}`, at, cause: 'poll' })
    log.info({ mailbox, entries }, 'the mailbox is served again; its work goes on')
  }

  async function ask(mailbox: MailboxId): Promise<MailError | undefined> {
    try {
      await mailboxes(mailbox).probe({ signal: AbortSignal.timeout(ANSWER_WITHIN_MS), meter: () => undefined })
      return undefined
    } catch (thrown) {
      return asMailError(thrown)
    }
  }
}
