import type { Config } from '../../shared/config.ts'
import type { MailboxId } from '../../shared/mailbox.ts'
import { listMailboxes, type MailboxRecord } from '../../shared/redis/mailboxes.ts'
import { announceChange } from '../base/announce-change.ts'
import type { AppContext } from '../base/app.ts'
import { jitter } from '../base/jitter.ts'
import type { Log } from '../base/log.ts'
import { isReachable } from '../base/mailbox-state.ts'
import type { Duty } from './keeper.ts'

const LATER_BY = 0.2
const MINUTE_MS = 60_000

/** How often mailboxes are looked at: for what pushes lost, and in any case before the provider may forget where their cursors are. */
export function pollEveryMs(config: Pick<Config, 'SAFETY_POLL_MINUTES' | 'CACHE_SYNC_TOKEN_TTL'>): number {
  const verifyMs = config.CACHE_SYNC_TOKEN_TTL * 1000
  return config.SAFETY_POLL_MINUTES > 0 ? Math.min(verifyMs, config.SAFETY_POLL_MINUTES * MINUTE_MS) : verifyMs
}

/**
 * Has mailboxes looked at that were not synced for a while: finds what pushes lost, and is the only trigger where there are none. It asks
 * Redis for mailboxes only when the next is due, so that nothing is asked in vain; what is due together is spread over time.
 */
export function createSafetyPoll(
  app: AppContext,
  { everyMs, roundMs, log }: { everyMs: number; roundMs: number; log: Log },
): Duty {
  const { redis, keys, now } = app
  const polledAt = new Map<MailboxId, number>()
  const startedAt = now()
  let nextAt = 0

  return async isOurs => {
    if (now() < nextAt || !(await isOurs())) return
    const records = (await listMailboxes(redis, keys)).filter(isReachable)
    const due = records.filter(record => dueAt(record) <= now()).sort((a, b) => dueAt(a) - dueAt(b))
    const atOnce = Math.ceil((records.length * roundMs) / everyMs)
    for (const { mailbox } of due.slice(0, atOnce)) {
      if (!(await isOurs())) return
      await poll(mailbox)
    }
    // A mailbox that is connected meanwhile is due no sooner than this.
    nextAt = Math.min(now() + everyMs, ...records.map(dueAt))
  }

  function dueAt({ mailbox, cursorAt }: MailboxRecord): number {
    const last = Math.max(cursorAt ?? startedAt, polledAt.get(mailbox) ?? 0)
    return last + everyMs * (1 + LATER_BY * jitter(mailbox))
  }

  async function poll(mailbox: MailboxId): Promise<void> {
    // Two keepers that think it theirs ask for the same.
    const id = `poll:${mailbox}:${Math.floor(now() / everyMs)}`
    const at = Math.floor(now() / everyMs) * everyMs
    const arrival = await announceChange(app, mailbox, { id, at, cause: 'poll' })
    polledAt.set(mailbox, now())
    log.debug({ mailbox, arrival }, 'asked for a look at a mailbox that was not synced for a while')
  }
}
