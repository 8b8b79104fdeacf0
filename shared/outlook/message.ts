import { z } from 'zod'
import type { Address, Message, MessageId } from '../message.ts'

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

/** The fields of a message that are asked for (learn.microsoft.com/graph/api/resources/message); `id` comes in any case. */
export const MESSAGE_FIELDS = FIELDS.join(',')

// Some answers hold booleans as strings.
const flag = z.union([z.boolean(), z.stringbool({ truthy: ['true'], falsy: ['false'] })])
const recipient = z.object({
  emailAddress: z.object({ name: z.string().nullish().catch(''), address: z.string().nullish().catch('') }),
})
const recipients = z.array(recipient.nullable().catch(null)).catch([])

const resource = z.object({
  id: z.string().min(1),
  conversationId: z.string().nullish().catch(undefined),
  parentFolderId: z.string().nullish().catch(undefined),
  receivedDateTime: z.iso.datetime({ offset: true }).transform(text => Date.parse(text)),
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
})

const readMark = z.object({ id: z.string().min(1), isRead: flag })

/** A message, and the folder it is in where the answer says so. */
export interface Filed {
  message: Message
  folder: string | undefined
}

/**
 * Whether an item of a delta tells all that was asked for: one that changed has at least what changed, and perhaps no more
 * (learn.microsoft.com/graph/delta-query-messages). A draft need not say who it is from.
 */
export function isWhole(item: unknown): boolean {
  const { success, data } = z.looseObject({ isDraft: flag.optional().catch(undefined) }).safeParse(item)
  return success && FIELDS.every(name => data[name] !== undefined || (name === 'from' && data.isDraft === true))
}

/**
 * Reads a Graph message resource; `undefined` where it has no id and time of receipt, for then it is none, or not whole. One that is in no
 * conversation is a thread of its own. Its labels are `DRAFT`, `IMPORTANT`, `STARRED` and `UNREAD` as they apply, and its categories: not its
 * folder, so that moving it changes nothing.
 */
export function readMessage(body: unknown): Filed | undefined {
  const { success, data } = resource.safeParse(body)
  if (!success) return undefined
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
      labels: [...new Set([...marks, ...data.categories])],
      date: data.receivedDateTime,
      subject: folded(data.subject),
      from: addressesOf([data.from]),
      to: addressesOf(data.toRecipients),
      cc: addressesOf(data.ccRecipients),
      snippet: folded(data.bodyPreview),
    },
  }
}

/**
 * Reads a change that tells nothing but whether a message was read; `undefined` for any other
 * (learn.microsoft.com/graph/delta-query-messages: an item that changed has at least what changed).
 */
export function readReadMark(item: unknown): { id: MessageId; isRead: boolean } | undefined {
  const names = Object.keys(z.record(z.string(), z.unknown()).catch({}).parse(item))
  const told = names.filter(name => !name.startsWith('@'))
  return told.length === 2 ? readMark.safeParse(item).data : undefined
}

function addressesOf(people: readonly (z.infer<typeof recipient> | null | undefined)[]): Address[] {
  return people
    .map(person => ({
      name: folded(person?.emailAddress.name),
      address: (person?.emailAddress.address ?? '').trim(),
    }))
    .filter(person => person.name !== '' || person.address !== '')
}

function folded(text: string | null | undefined): string {
  return (text ?? '').replace(/\s+/gu, ' ').trim()
}
