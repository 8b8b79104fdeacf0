import { z } from 'zod'
import { MailError } from '../error.ts'
import { type Cursor, type MailboxId, parseMailboxId } from '../mailbox.ts'
import { readCursor } from './cursor.ts'

/** A Gmail notification through Pub/Sub: the mailbox that changed, and its new history id. */
export interface Notification {
  mailbox: MailboxId
  historyId: string
}

const notificationSchema = z.object({
  emailAddress: z.string().max(320),
  historyId: z.union([z.string().regex(/^\d{1,20}$/), z.number().int().min(0).max(Number.MAX_SAFE_INTEGER)]),
})
const pubsubSchema = z.object({ data: z.string() })

/**
 * Reads a notification that holds `emailAddress` and `historyId`. Pub/Sub delivers both as base64 JSON in
 * `data` (developers.google.com/gmail/api/guides/push). Throws `unparsable`, naming the fault and never the
 * content.
 */
export function readNotification(given: unknown): Notification {
  const { data } = pubsubSchema.safeParse(given)
  const { success, data: parsed, error } = notificationSchema.safeParse(data ? unpack(data.data) : given)
  if (!success) {
    const wrong = error.issues.map(({ path, code }) => `${path.join('.') || 'the whole body'} (${code})`).join(', ')
    throw new MailError('unparsable', `not a Gmail notification: ${wrong}`)
  }
  return { mailbox: mailboxOf(parsed.emailAddress), historyId: `${BigInt(parsed.historyId)}` }
}

/**
 * Whether a mailbox is already listed beyond a history id, so that its notification is stale. An equal id is
 * not stale.
 */
export function isBeyond(cursor: Cursor, historyId: string): boolean {
  // An unreadable cursor is beyond nothing.
  const place = attempt(() => readCursor(cursor))
  return place?.at === 'history' && place.historyId > BigInt(historyId)
}

// Accepts both alphabets of base64.
function unpack(data: string): unknown {
  const parsed = attempt(() => JSON.parse(Buffer.from(data, 'base64').toString()) as unknown)
  if (parsed === undefined) throw new MailError('unparsable', 'not a Gmail notification: data is not base64 of JSON')
  return parsed
}

function mailboxOf(address: string): MailboxId {
  const mailbox = attempt(() => parseMailboxId(`gmail:${address}`))
  if (!mailbox) throw new MailError('unparsable', 'not a Gmail notification: emailAddress is not an address')
  return mailbox
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
