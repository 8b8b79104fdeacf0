import type { MailError } from '../../shared/error.ts'
import { isBeyond, type Notification } from '../../shared/gmail/notification.ts'
import type { MailboxId } from '../../shared/mailbox.ts'
import type { MessageId } from '../../shared/message.ts'
import { type Arrival, takeIn } from '../../shared/redis/arrivals.ts'
import { deadLetterNotification } from '../../shared/redis/intake.ts'
import { LIMIT, MAILBOX } from '../../shared/redis/schema.ts'
import { announceChange } from '../base/announce-change.ts'
import type { AppContext } from '../base/app.ts'
import { namedRunId } from '../base/identity.ts'
import type { Log } from '../base/log.ts'
import type { LimitedLog } from './limited-log.ts'

/** Accepts notifications from HTTP and from the intake. */
export interface Receiver {
  /** Accepts a notification once per id, regardless of repeats; `at` is its first arrival (ms since 1970). */
  accept(notification: Notification, from: { id: string; at: number }): Promise<Arrival>
  /** Requests a check of a mailbox that changed, optionally with the ids of new messages; once per id, regardless of repeats. */
  announce(mailbox: MailboxId, id: string, created?: readonly MessageId[]): Promise<Arrival>
  /** Dead-letters an unreadable notification with its fields. */
  deadLetter(fields: Readonly<Record<string, string>>, error: MailError, entryId?: string): Promise<void>
}

const MAX_NAMES = 1000

/** Creates a receiver of notifications; it logs each unknown mailbox once. */
export function createReceiver(app: AppContext, log: Log, limitedLog: LimitedLog): Receiver {
  const { redis, keys, now } = app
  const reported = new Set<string>()

  return {
    async accept({ mailbox, historyId }, { id, at }) {
      const cursor = await redis.hget(keys.mailbox(mailbox), MAILBOX.cursor)
      const stale = cursor ? isBeyond(cursor, historyId) : false
      const body = { cause: 'push', historyId } as const
      const arrival = await takeIn(redis, keys, { id, mailbox, run: namedRunId(at, id), body, stale }, now())
      log.debug({ mailbox, historyId, arrival }, 'notification received')
      if (arrival === 'unknown') reportUnknown(mailbox)
      return arrival
    },

    async announce(mailbox, id, created = []) {
      const arrival = await announceChange(app, mailbox, { id, at: now(), cause: 'push', created })
      log.debug({ mailbox, arrival }, 'notification received')
      if (arrival === 'unknown') reportUnknown(mailbox)
      return arrival
    },

    async deadLetter(fields, error, entryId) {
      const isOurs = await deadLetterNotification(redis, keys, { fields, error, ...(entryId ? { entryId } : {}) })
      if (!isOurs) return
      const facts = { kind: error.kind, error: error.message }
      limitedLog.report({
        level: 'error',
        text: `notification dead-lettered; see \`mailsluice dead list\` (keeps the newest ${LIMIT.notifications})`,
        facts,
      })
    },
  }

  function reportUnknown(mailbox: string): void {
    if (reported.has(mailbox) || reported.size >= MAX_NAMES) return
    reported.add(mailbox)
    const text = 'notifications for a mailbox that is not connected are accepted and dropped'
    limitedLog.report({ level: 'warn', text, kind: mailbox, facts: { mailbox } })
  }
}
