import type { Redis } from 'ioredis'
import type { Config } from '../../shared/config.ts'
import { type MailboxId, type Provider, providerOf } from '../../shared/mailbox.ts'
import type { Keys } from '../../shared/redis/keys.ts'
import { endTokenRefusals, noteTokenRefusal } from '../../shared/redis/token-refusals.ts'
import type { Log } from '../base/log.ts'
import { MINUTE_MS } from '../base/times.ts'
import { createGuard, type Guard } from './breaker.ts'
import { createRefusals } from './refusals.ts'
import { createSlowing } from './slowing.ts'

const OPEN_MS = MINUTE_MS
const TOKEN_PATIENCE_MS = 15 * MINUTE_MS

/** Creates one guard a mailbox, and returns the same one on later calls. Logs a provider outage once for all its mailboxes. */
export function createGuards(
  { config, redis, keys, now }: { config: Config; redis: Redis; keys: Keys; now: () => number },
  log: { child(fields: object): Log },
): (mailbox: MailboxId) => Guard {
  const guards = new Map<MailboxId, Guard>()
  const threshold = config.CIRCUIT_BREAKER_FAILURE_THRESHOLD
  const outages = new Map<Provider, ReturnType<typeof outageLog>>()

  return mailbox => {
    const known = guards.get(mailbox)
    if (known) return known
    const { opened, closed } = outageOf(providerOf(mailbox))
    const guard = createGuard({
      threshold,
      openMs: OPEN_MS,
      now,
      onOpen: () => opened(mailbox, threshold),
      onClose: () => closed(mailbox),
    })
    const refusals = createRefusals({
      threshold,
      patienceMs: TOKEN_PATIENCE_MS,
      tokens: {
        note: () => noteTokenRefusal(redis, keys, mailbox),
        end: () => endTokenRefusals(redis, keys, mailbox),
      },
    })
    const slowing = createSlowing({ factor: config.RATE_LIMIT_BACKOFF_FACTOR, now })
    const all: Guard = source => refusals(guard(slowing(source)))
    guards.set(mailbox, all)
    return all
  }

  function outageOf(provider: Provider) {
    const outage = outages.get(provider) ?? outageLog(log.child({ provider }), now)
    outages.set(provider, outage)
    return outage
  }
}

function outageLog(log: Log, now: () => number) {
  const down = new Set<MailboxId>()
  let since = 0
  return {
    opened(mailbox: MailboxId, failures: number) {
      if (down.size === 0) {
        since = now()
        log.warn({ mailbox, failures, openMs: OPEN_MS }, 'provider unavailable; pausing its calls')
      } else log.debug({ mailbox, failures }, 'provider unavailable for another mailbox')
      down.add(mailbox)
    },
    closed(mailbox: MailboxId) {
      down.delete(mailbox)
      if (down.size === 0) log.info({ outageMs: now() - since }, 'provider available again')
      else log.debug({ mailbox, mailboxes: down.size }, 'provider available again for a mailbox')
    },
  }
}
