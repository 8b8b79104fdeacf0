import { asMailError } from '../shared/error.ts'
import type { MailboxId } from '../shared/mailbox.ts'
import { listMailboxes } from '../shared/redis/mailboxes.ts'
import { noteWatched, noteWatchFailure, readWatch, type WatchRecord } from '../shared/redis/watches.ts'
import type { Duty } from './keeper.ts'
import type { Log } from './log.ts'
import { isReachable } from './mailbox-state.ts'
import type { Mailboxes } from './providers.ts'
import { spread } from './spread.ts'
import type { Office } from './wire.ts'

interface Watched {
  mailbox: MailboxId
  watch: WatchRecord
}

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS
// Gmail asks for a renewal a day (developers.google.com/gmail/api/guides/push#renewing_mailbox_watch).
const RENEW_AFTER_MS = DAY_MS
const SOONER_BY = 0.2
const TRY_AGAIN_MS = HOUR_MS
// So long a mailbox that was connected meanwhile may wait for its watch.
const LOOK_AFTER_MS = 10 * MINUTE_MS
const MOST_A_ROUND = 50
const TELL_AGAIN_MS = DAY_MS

/**
 * Keeps the provider notifying of every connected mailbox: asks once a day, long before a watch expires, and tells as an error, once a day,
 * of a mailbox whose watch cannot be renewed or has lapsed. A mailbox that waits for its account, or that nobody wants watched, is left alone.
 */
export function createWatchKeeping(office: Office, { mailboxes, log }: { mailboxes: Mailboxes; log: Log }): Duty {
  const { redis, keys, now } = office
  const toldAt = new Map<string, number>()
  let nextAt = 0

  return async isOurs => {
    if (now() < nextAt || !(await isOurs())) return
    const watched = await all()
    for (const one of watched.filter(one => dueAt(one) <= now()).slice(0, MOST_A_ROUND)) {
      if (!(await isOurs())) return
      await renew(one)
    }
    const after = await all()
    for (const one of after) tellOfLapse(one)
    nextAt = Math.min(now() + LOOK_AFTER_MS, ...after.map(dueAt))
  }

  async function all(): Promise<Watched[]> {
    const records = (await listMailboxes(redis, keys)).filter(isReachable)
    const found = await Promise.all(
      records.map(async ({ mailbox }) => ({ mailbox, watch: await readWatch(redis, keys, mailbox) })),
    )
    return found.filter(({ watch }) => !watch.off)
  }

  function dueAt({ mailbox, watch: { askedAt, failure } }: Watched): number {
    if (askedAt === undefined) return 0
    return askedAt + (failure === undefined ? RENEW_AFTER_MS * (1 - SOONER_BY * spread(mailbox)) : TRY_AGAIN_MS)
  }

  async function renew({ mailbox }: Watched): Promise<void> {
    try {
      const { expiresAt } = await mailboxes(mailbox).watch({
        signal: AbortSignal.timeout(MINUTE_MS),
        meter: () => undefined,
      })
      await noteWatched(redis, keys, mailbox, { expiresAt, now: now() })
      toldAt.delete(`${mailbox} fails`)
      log.debug({ mailbox, expiresAt: new Date(expiresAt).toISOString() }, 'the mailbox is watched')
    } catch (thrown) {
      const failure = asMailError(thrown).message
      await noteWatchFailure(redis, keys, mailbox, { failure, now: now() })
      tellOnceADay(`${mailbox} fails`, () =>
        log.error({ mailbox, error: failure }, 'the watch cannot be renewed; once it expires, no pushes come'),
      )
    }
  }

  function tellOfLapse({ mailbox, watch: { expiresAt } }: Watched): void {
    if (expiresAt === undefined || expiresAt > now()) return
    tellOnceADay(`${mailbox} lapsed`, () =>
      log.error(
        { mailbox, expiredAt: new Date(expiresAt).toISOString() },
        'the watch has lapsed: no pushes come, and only safety polls find what is new',
      ),
    )
  }

  function tellOnceADay(name: string, tell: () => void): void {
    if (now() - (toldAt.get(name) ?? Number.NEGATIVE_INFINITY) < TELL_AGAIN_MS) return
    toldAt.set(name, now())
    tell()
  }
}
