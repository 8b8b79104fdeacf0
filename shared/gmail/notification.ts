import { z } from 'zod'
import { MailError } from '../error.ts'
import { type Cursor, type MailboxId, parseMailboxId } from '../mailbox.ts'
import { readCursor } from './cursor.ts'

/** What Gmail says through Pub/Sub: this mailbox changed, and its history has come to this id. */
export interface Notification {
  mailbox: MailboxId
  historyId: string
}

const spoken = z.object({
  emailAddress: z.string().max(320),
  historyId: z.union([z.string().regex(/^\d{1,20}$/), z.number().int().min(0).max(Number.MAX_SAFE_INTEGER)]),
})
const packed = z.object({ data: z.string() })

/**
 * Reads a notification that holds `emailAddress` and `historyId`, or, as Pub/Sub delivers it, both as base64 JSON in `data`
 * (developers.google.com/gmail/api/guides/push). Throws `unparsable`, naming what is wrong and never the content.
 */
export function readNotification(given: unknown): Notification {
  const { data } = packed.safeParse(given)
  const { success, data: said, error } = spoken.safeParse(data ? unpack(data.data) : given)
  if (!success) {
    const wrong = error.issues.map(({ path, code }) => `${path.join('.') || 'all of it'} (${code})`).join(', ')
    throw new MailError('unparsable', `not a Gmail notification: ${wrong}`)
  }
  return { mailbox: mailboxOf(said.emailAddress), historyId: `${BigInt(said.historyId)}` }
}

/** Whether a mailbox was listed beyond a history id already, so that a notification of it is old news; at the same id it is not. */
export function isBeyond(cursor: Cursor, historyId: string): boolean {
  // One that cannot be read is beyond nothing.
  const place = attempt(() => readCursor(cursor))
  return place?.at === 'history' && place.historyId > BigInt(historyId)
}

// Both alphabets of base64 are read.
function unpack(data: string): unknown {
  const said = attempt(() => JSON.parse(Buffer.from(data, 'base64').toString()) as unknown)
  if (said === undefined) throw new MailError('unparsable', 'not a Gmail notification: data is not base64 of JSON')
  return said
}

function mailboxOf(address: string): MailboxId {
  const mailbox = attempt(() => parseMailboxId(`gmail:${address}`))
  if (!mailbox) throw new MailError('unparsable', 'not a Gmail notification: emailAddress is no address')
  return mailbox
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
