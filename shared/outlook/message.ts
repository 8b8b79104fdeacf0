import { z } from 'zod'
import { decodeBytes } from '../http/charset.ts'
import { classFields } from '../mail/mail-class.ts'
import { dateIn, type People, readPeople, receivedAt, writtenParts } from '../mail/read-message.ts'
import { readHeader, readSnippet } from '../mail/words.ts'
import type { Message, MessageId } from '../message.ts'
import { cleanText } from '../text.ts'

const FIELDS = [
  'conversationId',
  'parentFolderId',
  'receivedDateTime',
  'subject',
  'from',
  'toRecipients',
  'ccRecipients',
  'bodyPreview',
  'isRead',
  'isDraft',
  'flag',
  'importance',
  'categories',
]

/**
 * The fields of a complete message (learn.microsoft.com/graph/api/resources/message); `id` is always
 * included.
 */
export const MESSAGE_FIELDS = FIELDS.join(',')

// Links from before these were asked for do not bring them.
const ASKED_FIELDS = [...FIELDS, 'sentDateTime', 'createdDateTime', 'hasAttachments']

/**
 * Returns the requested fields: those of a complete message, the alternatives for a missing receipt date,
 * whether there are files, the headers, and the body if texts are read.
 */
export function askedFields({ texts, headers }: { texts: boolean; headers: boolean }): string {
  return [...ASKED_FIELDS, ...(headers ? ['internetMessageHeaders'] : []), ...(texts ? ['body'] : [])].join(',')
}

// Some answers encode booleans as strings.
const flag = z.union([z.boolean(), z.stringbool({ truthy: ['true'], falsy: ['false'] })])
const recipient = z.object({
  emailAddress: z.object({ name: z.string().nullish().catch(''), address: z.string().nullish().catch('') }),
})
const time = z.iso.datetime({ offset: true }).transform(dateIn).optional().catch(undefined)
const recipients = z.array(recipient.nullable().catch(null)).catch([])

const resource = z.object({
  id: z.string().min(1),
  conversationId: z.string().nullish().catch(undefined),
  parentFolderId: z.string().nullish().catch(undefined),
  receivedDateTime: time,
  sentDateTime: time,
  createdDateTime: time,
  subject: z.string().nullish().catch(''),
  from: recipient.nullish().catch(null),
  toRecipients: recipients,
  ccRecipients: recipients,
  bodyPreview: z.string().nullish().catch(''),
  isRead: flag.catch(true),
  isDraft: flag.catch(false),
  flag: z.object({ flagStatus: z.string() }).nullish().catch(null),
  importance: z.string().nullish().catch(null),
  categories: z.array(z.string()).catch([]),
  hasAttachments: flag.catch(false),
  internetMessageHeaders: z.array(z.unknown()).catch([]),
  '@odata.type': z.string().catch(''),
})

const header = z.object({ name: z.string(), value: z.string().catch('') })

// learn.microsoft.com/graph/api/resources/eventmessage: a selection brings the type of a message, and nothing of its event.
const EVENT_TYPE = /\.eventMessage(Request|Response)$/i

const readMark = z.object({ id: z.string().min(1), isRead: flag })
const drafted = z.looseObject({ isDraft: flag.optional().catch(undefined) })
const named = z.record(z.string(), z.unknown()).catch({})

/** A message, and its folder if the answer names it. */
export interface Filed {
  message: Message
  folder: string | undefined
}

/**
 * Whether a delta item holds all requested fields. A changed item has at least the changed fields, and
 * perhaps no others (learn.microsoft.com/graph/delta-query-messages). A draft may lack `from`. If texts are
 * read, the body is one of them.
 */
export function isWhole(item: unknown, texts = false): boolean {
  const { success, data } = drafted.safeParse(item)
  const fields = texts ? [...FIELDS, 'body'] : FIELDS
  return success && fields.every(name => data[name] !== undefined || (name === 'from' && data.isDraft === true))
}

// learn.microsoft.com/graph/api/resources/message: a preview is the first 255 characters.
const CUT_PREVIEW = 250

/**
 * Reads a Graph message resource; returns `undefined` if it has no id. Its date is when it was received, else
 * sent, else created, else `readAt` (ms since 1970). Without any of these the result is `undefined`, because
 * the item may be incomplete. A message without a conversation is a thread of its own. Its labels are
 * `DRAFT`, `IMPORTANT`, `STARRED` and `UNREAD` as they apply, and its categories. The folder is not a label,
 * so a move changes nothing. Its headers tell its class, if the answer has them; it does not name files, and
 * says of an invitation only that it is one.
 */
export function readMessage(body: unknown, readAt?: number): Filed | undefined {
  const { success, data } = resource.safeParse(body)
  const date = success
    ? receivedAt([data.receivedDateTime, data.sentDateTime, data.createdDateTime], readAt)
    : undefined
  if (!success || date === undefined) return undefined
  const from = peopleIn([data.from])
  const preview = data.bodyPreview ?? ''
  const marks = [
    ...(data.isDraft ? ['DRAFT'] : []),
    ...(data.importance?.toLowerCase() === 'high' ? ['IMPORTANT'] : []),
    ...(data.flag?.flagStatus.toLowerCase() === 'flagged' ? ['STARRED'] : []),
    ...(data.isRead ? [] : ['UNREAD']),
  ]
  return {
    folder: data.parentFolderId ?? undefined,
    message: {
      id: data.id,
      thread: data.conversationId || data.id,
      labels: [...new Set([...marks, ...data.categories.map(cleanText)])],
      date,
      ...writtenParts({
        subject: readHeader(data.subject ?? '', decodeBytes),
        from,
        to: peopleIn(data.toRecipients),
        cc: peopleIn(data.ccRecipients),
        snippet: readSnippet(preview),
      }),
      ...classFields(headersIn(data.internetMessageHeaders), from.people),
      ...(data.hasAttachments ? { hasFiles: true as const } : {}),
      ...inviteIn(data['@odata.type']),
      ...(preview.length < CUT_PREVIEW ? {} : { isPart: true as const }),
    },
  }
}

/**
 * Reads a change that contains only the read mark; returns `undefined` for any other
 * (learn.microsoft.com/graph/delta-query-messages: a changed item has at least the changed fields).
 */
export function readReadMark(item: unknown): { id: MessageId; isRead: boolean } | undefined {
  const names = Object.keys(named.parse(item))
  const reported = names.filter(name => !name.startsWith('@'))
  return reported.length === 2 ? readMark.safeParse(item).data : undefined
}

function peopleIn(recipients: readonly (z.infer<typeof recipient> | null | undefined)[]): People {
  return readPeople(
    recipients.map(one => ({ name: one?.emailAddress.name ?? '', address: one?.emailAddress.address ?? '' })),
    decodeBytes,
  )
}

// Drafts, and mail that the owner sent, have no headers.
function headersIn(headers: readonly unknown[]) {
  return headers.flatMap(one => header.safeParse(one).data ?? [])
}

function inviteIn(type: string): Pick<Message, 'invites'> {
  const kind = EVENT_TYPE.exec(type)?.[1]?.toLowerCase()
  return kind === undefined ? {} : { invites: [{ method: kind === 'request' ? 'REQUEST' : 'REPLY' }] }
}
