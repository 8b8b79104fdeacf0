import type { gmail_v1 } from 'googleapis/build/src/apis/gmail/index.js'
import { z } from 'zod'
import type { InitialSync } from '../config.ts'
import { MailError } from '../error.ts'
import type { Call, Changes, LabelChange, Listed } from '../mailbox.ts'
import type { GmailClient } from './client.ts'
import { type Listing, type Place, writeCursor, writePage } from './cursor.ts'
import { errorOf } from './errors.ts'
import type { QuotaCosts } from './quota.ts'

/** What listing needs to know: `pageSize` is how many ids (live: history records) a page holds, 500 at most. */
export interface ListingOptions {
  name: string
  client: GmailClient
  costs: QuotaCosts
  pageSize: { live: number; bulk: number }
  now: () => number
}

type FirstSync = Exclude<Listing, { list: 'history' }>

// developers.google.com/gmail/api/reference/rest/v1/users.messages/list and users.history/list
const MOST_A_PAGE = 500
const DAY_SECONDS = 86_400
const LIST_FIELDS = 'messages(id,threadId),nextPageToken'
const HISTORY_FIELDS = [
  'historyId',
  'nextPageToken',
  'history(messagesAdded/message(id,threadId)',
  'messagesDeleted/message(id,threadId)',
  'labelsAdded(labelIds,message(id,threadId))',
  'labelsRemoved(labelIds,message(id,threadId)))',
].join(',')

/** The listing that a first sync begins with; `after` (seconds since 1970), where it is given, bounds it instead. */
export function firstListing(initial: InitialSync, now: number, after?: number): FirstSync {
  if (after !== undefined) return { list: 'after', seconds: after }
  if (initial.kind === 'newest') return { list: 'newest', left: initial.count }
  if (initial.kind === 'all') return { list: 'all' }
  return { list: 'after', seconds: Math.floor(now / 1000) - initial.days * DAY_SECONDS }
}

/**
 * Lists one page of a first sync with messages.list, without spam and trash, and asks for no more ids than are wanted.
 * The last page leads to the history since `since`, which was pinned before.
 */
export async function listFirst(
  options: ListingOptions,
  since: Place,
  listing: FirstSync,
  call: Call,
): Promise<Changes> {
  const { client, costs, pageSize } = options
  const wanted = listing.list === 'newest' ? listing.left : MOST_A_PAGE
  const doing = `messages.list of ${options.name}`
  const sending = { doing, call, kind: 'list', units: costs.messageList } as const
  const answer = await client.ask(sending, (api, inner) =>
    api.users.messages.list(
      {
        userId: 'me',
        maxResults: Math.min(wanted, pageSize.bulk, MOST_A_PAGE),
        fields: LIST_FIELDS,
        ...(listing.list === 'after' ? { q: `after:${listing.seconds}` } : {}),
        ...(listing.token === undefined ? {} : { pageToken: listing.token }),
      },
      inner,
    ),
  )
  if (answer.status !== 200) throw errorOf(answer, doing, { now: options.now })
  const page = read(messagePage, answer.body, doing)
  const ids = eachOnce(page.messages.map(listed)).slice(0, wanted)
  const rest = listing.list === 'newest' ? { ...listing, left: listing.left - ids.length } : listing
  const more = page.nextPageToken && !(rest.list === 'newest' && rest.left === 0)
  const end = more
    ? { next: writePage(rest, page.nextPageToken) }
    : { cursor: writeCursor({ at: 'history', historyId: since.historyId }) }
  return { ids, gone: [], labels: [], ...end }
}

/**
 * Lists one page of what happened since a history id, exclusive. Of a message that was added and deleted within the page only the end
 * is told, and of one that was added only that, for its labels come with it. Says `reset` where the id is too old for Google.
 */
export async function listHistory(
  options: ListingOptions,
  since: Place,
  token: string | undefined,
  call: Call,
): Promise<Changes> {
  const { client, costs, pageSize } = options
  const doing = `history.list of ${options.name}`
  const sending = { doing, call, kind: 'history', units: costs.historyList } as const
  const answer = await client.ask(sending, (api, inner) => {
    const params: gmail_v1.Params$Resource$Users$History$List = {
      userId: 'me',
      startHistoryId: `${since.historyId}`,
      historyTypes: ['messageAdded', 'messageDeleted', 'labelAdded', 'labelRemoved'],
      maxResults: Math.min(pageSize.live, MOST_A_PAGE),
      fields: HISTORY_FIELDS,
      ...(token === undefined ? {} : { pageToken: token }),
    }
    return api.users.history.list(params, inner)
  })
  if (answer.status !== 200) {
    const error = errorOf(answer, doing, { now: options.now, notFound: 'expired' })
    if (error.kind === 'expired') return { ids: [], gone: [], labels: [], reset: true }
    throw error
  }
  const page = read(historyPage, answer.body, doing)
  const end = page.nextPageToken
    ? { next: writePage({ list: 'history' }, page.nextPageToken) }
    : { cursor: writeCursor({ at: 'history', historyId: latest(since.historyId, page.historyId) }) }
  return { ...happened(page.history), ...end }
}

const named = z.object({ id: z.string().min(1), threadId: z.string().optional() })
const wrapped = z.object({ message: named })
const relabelled = z.object({ message: named, labelIds: z.array(z.string()).default([]) })
const messagePage = z.object({ messages: z.array(named).default([]), nextPageToken: z.string().default('') })
const record = z.object({
  messagesAdded: z.array(wrapped).default([]),
  messagesDeleted: z.array(wrapped).default([]),
  labelsAdded: z.array(relabelled).default([]),
  labelsRemoved: z.array(relabelled).default([]),
})
const historyPage = z.object({
  history: z.array(record).default([]),
  historyId: z
    .union([z.string().regex(/^\d{1,20}$/), z.number().int().min(0)])
    .transform(id => BigInt(id))
    .optional(),
  nextPageToken: z.string().default(''),
})

function happened(records: readonly z.infer<typeof record>[]): Pick<Changes, 'ids' | 'gone' | 'labels'> {
  const gone = new Set(records.flatMap(one => one.messagesDeleted.map(({ message }) => message.id)))
  const added = eachOnce(records.flatMap(one => one.messagesAdded.map(({ message }) => listed(message))))
  const ids = added.filter(({ id }) => !gone.has(id))
  const told = new Set([...gone, ...ids.map(({ id }) => id)])
  const labels = new Map<string, { added: Set<string>; removed: Set<string> }>()
  for (const { labelsAdded, labelsRemoved } of records) {
    for (const { message, labelIds } of labelsAdded) relabel(message.id, labelIds, 'added', 'removed')
    for (const { message, labelIds } of labelsRemoved) relabel(message.id, labelIds, 'removed', 'added')
  }
  return { ids, gone: [...gone], labels: [...labels].map(labelChange) }

  // The last word on a label holds.
  function relabel(id: string, labelIds: readonly string[], now: 'added' | 'removed', before: 'added' | 'removed') {
    if (told.has(id)) return
    const change = labels.get(id) ?? { added: new Set(), removed: new Set() }
    labels.set(id, change)
    for (const label of labelIds) {
      change[before].delete(label)
      change[now].add(label)
    }
  }
}

function labelChange([id, { added, removed }]: [string, { added: Set<string>; removed: Set<string> }]): LabelChange {
  return { id, added: [...added], removed: [...removed] }
}

function listed({ id, threadId }: z.infer<typeof named>): Listed {
  return { id, thread: threadId || id }
}

function eachOnce(items: readonly Listed[]): Listed[] {
  return [...new Map(items.map(item => [item.id, item])).values()]
}

function latest(known: bigint, answered: bigint | undefined): bigint {
  return answered !== undefined && answered > known ? answered : known
}

function read<T>(schema: z.ZodType<T>, body: unknown, doing: string): T {
  const result = schema.safeParse(body)
  if (result.success) return result.data
  const where = result.error.issues[0]?.path.join('.') || 'the answer'
  throw new MailError('unparsable', `${doing}: Google's answer cannot be read (${where})`)
}
