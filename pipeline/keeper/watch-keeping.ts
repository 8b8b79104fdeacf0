import { asMailError } from '../../shared/error.ts'
import { type MailboxId, type Provider, providerOf } from '../../shared/mailbox.ts'
import { listMailboxes, readMailbox } from '../../shared/redis/mailboxes.ts'
import { readDue, unmarkDue, voidSubscription } from '../../shared/redis/subscriptions.ts'
import { noteWatchFailure, readWatch, type WatchRecord } from '../../shared/redis/watches.ts'
import type { Mailboxes } from '../accounts/mailboxes.ts'
import { PROVIDERS } from '../accounts/providers.ts'
import type { AppContext } from '../base/app.ts'
import { jitter } from '../base/jitter.ts'
import type { Log } from '../base/log.ts'
import { isReachable } from '../base/mailbox-state.ts'
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../base/times.ts'
import { limited } from '../base/wait.ts'
import type { Duty } from './keeper.ts'
import { noteWatch } from './watched.ts'

interface Watched {
  mailbox: MailboxId
  watch: WatchRecord
}

// Gmail recommends a daily renewal (developers.google.com/gmail/api/guides/push#renewing_mailbox_watch).
const RENEW_AFTER_MS = DAY_MS
const SOONER_BY = 0.2
const TRY_AGAIN_MS = HOUR_MS
const TRY_MARKED_AGAIN_MS = 5 * MINUTE_MS
// A mailbox that is connected later gets its watch within this time.
const LIST_AGAIN_MS = 10 * MINUTE_MS
const MAX_PER_ROUND = 50
const LOG_AGAIN_MS = DAY_MS

/** The providers with notifications, and access to their mailboxes. */
interface WatchKeepingOptions {
  providers: readonly Provider[]
  mailboxes: Mailboxes
  log: Log
}

/**
 * Renews the watch of every connected mailbox once a day, long before it expires. Logs an error once a day for a mailbox whose watch cannot
 * be renewed or has lapsed. Handles Graph's lifecycle notifications in the next round. Skips parked and paused mailboxes, and those whose
 * watch is turned off.
 */
export function createWatchKeeping(app: AppContext, { providers, mailboxes, log }: WatchKeepingOptions): Duty {
  const { redis, keys, now } = app
  const { machine } = app.surroundings
  const loggedAt = new Map<string, number>()
  const hasNotices = providers.some(provider => PROVIDERS.get(provider)?.reportsWatches)
  let nextAt = 0

  return async isOurs => {
    const isTime = now() >= nextAt
    if (!(isTime || hasNotices) || !(await isOurs())) return
    if (hasNotices) await renewMarked(isOurs)
    if (!isTime) return
    const watched = await all()
    for (const one of watched.filter(one => dueAt(one) <= now()).slice(0, MAX_PER_ROUND)) {
      if (!(await isOurs())) return
      await renew(one)
    }
    const after = await all()
    for (const one of after) logLapse(one)
    nextAt = Math.min(now() + LIST_AGAIN_MS, ...after.map(dueAt))
  }

  async function all(): Promise<Watched[]> {
    const reachable = (await listMailboxes(redis, keys)).filter(isReachable)
    const records = reachable.filter(({ mailbox }) => providers.includes(providerOf(mailbox)))
    const found = await Promise.all(
      records.map(async ({ mailbox }) => ({ mailbox, watch: await readWatch(redis, keys, mailbox) })),
    )
    return found.filter(({ watch }) => !watch.off)
  }

  function dueAt({ mailbox, watch: { askedAt, failure } }: Watched): number {
    if (askedAt === undefined) return 0
    return askedAt + (failure === undefined ? RENEW_AFTER_MS * (1 - SOONER_BY * jitter(mailbox)) : TRY_AGAIN_MS)
  }

  async function renewMarked(isOurs: () => Promise<boolean>): Promise<void> {
    let asked = 0
    for (const mark of await readDue(redis, keys)) {
      if (asked >= MAX_PER_ROUND || !(await isOurs())) return
      const { mailbox } = mark
      const [record, watch] = await Promise.all([readMailbox(redis, keys, mailbox), readWatch(redis, keys, mailbox)])
      if (!record || watch.off) await unmarkDue(redis, keys, mark)
      else if (isReachable(record) && !hasJustFailed(watch)) {
        asked += 1
        if (mark.due === 'removed') await voidSubscription(redis, keys, mark)
        if (await renew({ mailbox })) await unmarkDue(redis, keys, mark)
      }
    }
  }

  function hasJustFailed({ askedAt = 0, failure }: WatchRecord): boolean {
    return failure !== undefined && now() - askedAt < TRY_MARKED_AGAIN_MS
  }

  /** Returns whether the watch was renewed. */
  async function renew({ mailbox }: Pick<Watched, 'mailbox'>): Promise<boolean> {
    try {
      const made = await limited(MINUTE_MS, machine, signal =>
        mailboxes(mailbox).watch({ signal, meter: () => undefined }),
      )
      await noteWatch(app, mailbox, made)
      loggedAt.delete(`${mailbox} fails`)
      log.debug({ mailbox, expiresAt: new Date(made.expiresAt).toISOString() }, 'renewed the watch')
      return true
    } catch (thrown) {
      const failure = asMailError(thrown).message
      await noteWatchFailure(redis, keys, mailbox, { failure, now: now() })
      onceADay(`${mailbox} fails`, () =>
        log.error({ mailbox, error: failure }, 'cannot renew the watch; pushes stop when it expires'),
      )
      return false
    }
  }

  function logLapse({ mailbox, watch: { expiresAt } }: Watched): void {
    if (expiresAt === undefined || expiresAt > now()) return
    onceADay(`${mailbox} lapsed`, () =>
      log.error(
        { mailbox, expiredAt: new Date(expiresAt).toISOString() },
        'the watch has lapsed; only safety polls find new mail',
      ),
    )
  }

  function onceADay(name: string, write: () => void): void {
    if (now() - (loggedAt.get(name) ?? Number.NEGATIVE_INFINITY) < LOG_AGAIN_MS) return
    loggedAt.set(name, now())
    write()
  }
}
