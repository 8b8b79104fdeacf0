import type { Config } from '../shared/config.ts'
import { type MailboxId, type Provider, providerOf } from '../shared/mailbox.ts'
import { createGuard, type Guard } from './breaker.ts'
import type { Log } from './log.ts'

const OPEN_MS = 60_000

/** The guard of a mailbox's provider, configured, and the same for all its mailboxes. */
export function createGuards(
  { config, now }: { config: Config; now: () => number },
  log: { child(fields: object): Log },
): (mailbox: MailboxId) => Guard {
  const guards = new Map<Provider, Guard>()
  return mailbox => {
    const provider = providerOf(mailbox)
    const threshold = config.CIRCUIT_BREAKER_FAILURE_THRESHOLD
    const guard = guards.get(provider) ?? createGuard({ threshold, openMs: OPEN_MS, now, log: log.child({ provider }) })
    guards.set(provider, guard)
    return guard
  }
}
