import type { MailError } from '../../shared/error.ts'
import { isBeyond, type Notification } from '../../shared/gmail/notification.ts'
import type { MailboxId } from '../../shared/mailbox.ts'
import type { MessageId } from '../../shared/message.ts'
import { type Arrival, takeIn } from '../../shared/redis/arrivals.ts'
import { deadLetterNotification, MOST_DEAD } from '../../shared/redis/intake.ts'
import { announceChange } from '../base/announce-change.ts'
import type { AppContext } from '../base/app.ts'
import { namedRunId } from '../base/identity.ts'
import type { Log } from '../base/log.ts'
import type { LimitedLog } from './limited-log.ts'

/** Takes notifications in, whichever way they come. */
export interface Receiver {
  /** Once however often it comes with this id; `at` is when it was first heard of (ms since 1970). */
  take(notification: Notification, from: { id: string; at: number }): Promise<Arrival>
  /** Has a mailbox looked at, of which no more was said than that it changed, or that these messages are new; once however often it comes with this id. */
  look(mailbox: MailboxId, id: string, created?: readonly MessageId[]): Promise<Arrival>
  /** One that cannot be read, kept with its fields among the dead letters. */
  deadLetter(fields: Readonly<Record<string, string>>, error: MailError, entryId?: string): Promise<void>
}

const MOST_NAMES = 1000

/** A reception for notifications; unknown mailboxes are told of once each. */
export function createReceiver(app: AppContext, log: Log, limitedLog: LimitedLog): Receiver {
  const { redis, keys, now } = app
  const reported = new Set<string>()

  return {
    async take({ mailbox, historyId }, { id, at }) {
      const cursor = await redis.hget(keys.mailbox(mailbox), 'cursor')
      const stale = cursor ? isBeyond(cursor, historyId) : false
      const body = { cause: 'push', historyId } as const
      const arrival = await takeIn(redis, keys, { id, mailbox, run: namedRunId(at, id), body, stale }, now())
      log.debug({ mailbox, historyId, arrival }, 'a notification came in')
      if (arrival === 'unknown') tellOfUnknown(mailbox)
      return arrival
    },

    async look(mailbox, id, created = []) {
      const arrival = await announceChange(app, mailbox, { id, at: now(), cause: 'push', created })
      log.debug({ mailbox, arrival }, 'a notification came in')
      if (arrival === 'unknown') tellOfUnknown(mailbox)
      return arrival
    },

    async deadLetter(fields, error, entryId) {
      const isOurs = await deadLetterNotification(redis, keys, { fields, error, ...(entryId ? { entryId } : {}) })
      if (!isOurs) return
      const facts = { kind: error.kind, error: error.message }
      limitedLog.tell({
        level: 'error',
        text: `given up: see the dead letters, which keep the newest ${MOST_DEAD}`,
        facts,
      })
    },
  }

  function tellOfUnknown(mailbox: string): void {
    if (reported.has(mailbox) || reported.size >= MOST_NAMES) return
    reported.add(mailbox)
    const text = 'notifications come of a mailbox that is not connected; they are accepted and dropped'
    limitedLog.tell({ level: 'warn', text, kind: mailbox, facts: { mailbox } })
  }
}
