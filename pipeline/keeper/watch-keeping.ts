import { asMailError } from '../../shared/error.ts'
import { type MailboxId, type Provider, providerOf } from '../../shared/mailbox.ts'
import { listMailboxes, readMailbox } from '../../shared/redis/mailboxes.ts'
import { readDue, unmarkDue, voidSubscription } from '../../shared/redis/subscriptions.ts'
import { noteWatchFailure, readWatch, type WatchRecord } from '../../shared/redis/watches.ts'
import type { Mailboxes } from '../accounts/providers.ts'
import type { AppContext } from '../base/app.ts'
import { jitter } from '../base/jitter.ts'
import type { Log } from '../base/log.ts'
import { isReachable } from '../base/mailbox-state.ts'
import type { Duty } from './keeper.ts'
import { noteWatch } from './watched.ts'

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
const TRY_MARKED_AGAIN_MS = 5 * MINUTE_MS
// So long a mailbox that was connected meanwhile may wait for its watch.
const LOOK_AFTER_MS = 10 * MINUTE_MS
const MOST_A_ROUND = 50
const TELL_AGAIN_MS = DAY_MS

/** Which providers are to notify, and how their mailboxes are reached. */
interface WatchKeepingOptions {
  providers: readonly Provider[]
  mailboxes: Mailboxes
  log: Log
}

/**
 * Keeps providers notifying of every connected mailbox: asks once a day, long before a watch expires, and tells as an error, once a day,
 * of a mailbox whose watch cannot be renewed or has lapsed. What Graph said of a subscription is seen to in the next round. A mailbox
 * that waits for its account, or that nobody wants watched, is left alone.
 */
export function createWatchKeeping(app: AppContext, { providers, mailboxes, log }: WatchKeepingOptions): Duty {
  const { redis, keys, now } = app
  const toldAt = new Map<string, number>()
  // Gmail says nothing of its watches.
  const hears = providers.includes('outlook')
  let nextAt = 0

  return async isOurs => {
    const isTime = now() >= nextAt
    if (!(isTime || hears) || !(await isOurs())) return
    if (hears) await seeToMarked(isOurs)
    if (!isTime) return
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

  async function seeToMarked(isOurs: () => Promise<boolean>): Promise<void> {
    let asked = 0
    for (const mark of await readDue(redis, keys)) {
      if (asked >= MOST_A_ROUND || !(await isOurs())) return
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

  /** Whether it could be renewed. */
  async function renew({ mailbox }: Pick<Watched, 'mailbox'>): Promise<boolean> {
    try {
      const made = await mailboxes(mailbox).watch({ signal: AbortSignal.timeout(MINUTE_MS), meter: () => undefined })
      await noteWatch(app, mailbox, made)
      toldAt.delete(`${mailbox} fails`)
      log.debug({ mailbox, expiresAt: new Date(made.expiresAt).toISOString() }, 'the mailbox is watched')
      return true
    } catch (thrown) {
      const failure = asMailError(thrown).message
      await noteWatchFailure(redis, keys, mailbox, { failure, now: now() })
      tellOnceADay(`${mailbox} fails`, () =>
        log.error({ mailbox, error: failure }, 'the watch cannot be renewed; once it expires, no pushes come'),
      )
      return false
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
