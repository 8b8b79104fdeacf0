import { z } from 'zod'

/** A message's id at its provider; unique within a mailbox. */
export type MessageId = string
/** A thread's id at its provider (Gmail threadId, Outlook conversationId); unique within a mailbox. */
export type ThreadId = string

/** The fields of a message that may be unreadable as the sender wrote them. */
export const UNREADABLE = ['subject', 'from', 'to', 'cc', 'snippet'] as const

// How a text was decoded: by its own escapes, as UTF-8, in its declared charset, or by the provider.
const DECODERS = ['escapes', 'utf-8', 'declared', 'iconv', 'windows-1252', 'provider'] as const

/** The kinds of mail: written by a person to people, sent through a list, or sent by a program. */
export const MAIL_KINDS = ['personal', 'list', 'automated'] as const

const addressSchema = z.object({ name: z.string(), address: z.string() })
const bodySchema = z.object({
  text: z.string(),
  kind: z.enum(['plain', 'html', 'none']),
  charset: z.string().optional(),
  decodedBy: z.enum(DECODERS).optional(),
  hidden: z.number().optional(),
  differs: z.literal(true).optional(),
  isPart: z.literal(true).optional(),
  note: z.string().optional(),
})
export const attachmentSchema = z.object({ name: z.string(), type: z.string(), size: z.number() })
export const inviteSchema = z.object({
  /** What the sender asks for, such as `REQUEST`, `CANCEL` or `REPLY` (RFC 5546). */
  method: z.string(),
  uid: z.string().optional(),
  summary: z.string().optional(),
  location: z.string().optional(),
  organizer: z.string().optional(),
  /** As written there, such as `2026-12-01T10:00:00`, with a `Z` in UTC, or `2026-12-01` for whole days. */
  start: z.string().optional(),
  end: z.string().optional(),
  /** The time zone of `start`, as the calendar names it. */
  zone: z.string().optional(),
  /** The rule of its repetition (RFC 5545, 3.3.10). */
  repeats: z.string().optional(),
})
const classSchema = z.object({ kind: z.enum(MAIL_KINDS), cause: z.string() })
const messageSchema = z.object({
  id: z.string(),
  thread: z.string(),
  labels: z.array(z.string()),
  date: z.number(),
  subject: z.string(),
  from: z.array(addressSchema),
  to: z.array(addressSchema),
  cc: z.array(addressSchema),
  snippet: z.string(),
  isPart: z.literal(true).optional(),
  unreadable: z.array(z.enum(UNREADABLE)).optional(),
  body: bodySchema.optional(),
  attachments: z.array(attachmentSchema).optional(),
  hasFiles: z.literal(true).optional(),
  more: z.object({ people: z.number().optional(), attachments: z.number().optional() }).optional(),
  invites: z.array(inviteSchema).optional(),
  class: classSchema.optional(),
  isAutoReply: z.literal(true).optional(),
  contentLanguage: z.string().optional(),
})

/** One person or list on a mail; `name` is empty where the header has no name, `address` where it has no address. */
export type Address = z.infer<typeof addressSchema>

/**
 * The text of a mail with line breaks; quoted HTML is lines that begin with "> ". `kind` is the form that the sender wrote. `charset` is the
 * declared one. `hidden` counts removed characters of HTML that readers do not see. With `differs` its plain form says something
 * else. With `isPart` the mail has more text; `note` says why.
 */
export type Body = z.infer<typeof bodySchema>

/** A file that came with a mail, which is never fetched; `size` is in bytes, and `name` may be empty. */
export type Attachment = z.infer<typeof attachmentSchema>

/** What kind of mail it is, and the header, label or sender that shows it. */
export type MailClass = z.infer<typeof classSchema>

/** An event of a calendar that a mail carries. */
export type Invite = z.infer<typeof inviteSchema>

/**
 * A cached message. `date` is when the provider received it, in ms since 1970. `snippet` is plain text; with `isPart` it is only the
 * beginning of the text. `unreadable` names fields that could not be read in full. `body` is present where texts are read; `attachments`
 * where there are any and the provider names them, else `hasFiles`. `more` counts people and files that
 * are not listed, because there are too many. `class` is what headers and sender show, absent where they show nothing; labels are judged
 * with the task. `contentLanguage` is what the sender declared.
 */
export type Message = z.infer<typeof messageSchema>

/** Parses a cached message. Returns `undefined` for an older format or a foreign value, which counts as not cached. */
export function parseMessage(text: string): Message | undefined {
  try {
    return messageSchema.safeParse(JSON.parse(text)).data
  } catch {
    return undefined
  }
}
