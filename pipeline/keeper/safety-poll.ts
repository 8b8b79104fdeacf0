import type { Config } from '../../shared/config.ts'
import type { MailboxId } from '../../shared/mailbox.ts'
import { listMailboxes, type MailboxRecord } from '../../shared/redis/mailboxes.ts'
import { announceChange } from '../base/announce-change.ts'
import type { AppContext } from '../base/app.ts'
import { jitter } from '../base/jitter.ts'
import type { Log } from '../base/log.ts'
import { isReachable } from '../base/mailbox-state.ts'
import { MINUTE_MS } from '../base/times.ts'
import type { Duty } from './keeper.ts'

const LATER_BY = 0.2

/** Returns the polling interval in ms: it finds changes whose pushes were lost, and never lets a cursor expire at the provider. */
export function pollEveryMs(config: Pick<Config, 'SAFETY_POLL_MINUTES' | 'CACHE_SYNC_TOKEN_TTL'>): number {
  const verifyMs = config.CACHE_SYNC_TOKEN_TTL * 1000
  return config.SAFETY_POLL_MINUTES > 0 ? Math.min(verifyMs, config.SAFETY_POLL_MINUTES * MINUTE_MS) : verifyMs
}

/**
 * Polls mailboxes that were not synced for `everyMs`. Finds changes whose pushes were lost, and is the only trigger where no pushes are set
 * up. Lists mailboxes in Redis only when one is due, and spreads polls that are due together over time.
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
    // A mailbox that is connected later is due no sooner than this.
    nextAt = Math.min(now() + everyMs, ...records.map(dueAt))
  }

  function dueAt({ mailbox, cursorAt }: MailboxRecord): number {
    const last = Math.max(cursorAt ?? startedAt, polledAt.get(mailbox) ?? 0)
    return last + everyMs * (1 + LATER_BY * jitter(mailbox))
  }

  async function poll(mailbox: MailboxId): Promise<void> {
    // Two keepers that both believe they are active request the same run.
    const id = `poll:${mailbox}:${Math.floor(now() / everyMs)}`
    const at = Math.floor(now() / everyMs) * everyMs
    const arrival = await announceChange(app, mailbox, { id, at, cause: 'poll' })
    polledAt.set(mailbox, now())
    log.debug({ mailbox, arrival }, 'requested a safety poll')
  }
}
